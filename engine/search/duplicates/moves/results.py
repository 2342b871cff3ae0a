"""What moving duplicates aside, and putting them back, returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.skipped import Skipped


@dataclass(frozen=True, slots=True)
class MovedFile:
    """A file that was moved, or put back.

    Attributes
    ----------
    source
        Where it was indexed.
    destination
        Where it was moved aside.
    copy_of
        What stayed in its stead.
    size
        In bytes.
    """

    source: str
    destination: str
    copy_of: str
    size: int


@dataclass(frozen=True, slots=True)
class MoveReport:
    """What `Engine.move_duplicates` did.

    Attributes
    ----------
    folder
        Where the files are.
    manifest
        What puts them back (`Engine.undo_moves`); None where nothing was to be moved.
    undo
        The command that does so.
    moved
        The files.
    skipped
        Those that stayed, and why.
    """

    folder: str
    manifest: str | None
    undo: str | None
    moved: Sequence[MovedFile]
    skipped: Sequence[Skipped]

    @property
    def size(self) -> int:
        """Bytes of all that was moved."""
        return sum(each.size for each in self.moved)


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What `Engine.undo_moves` did.

    Attributes
    ----------
    manifest
        What was played back.
    restored
        The files that were put back.
    already_there
        How many lay where they belong already.
    skipped
        Those that could not be put back, and why.
    notes
        What the catalog does not know yet.
    """

    manifest: str
    restored: Sequence[MovedFile]
    already_there: int
    skipped: Sequence[Skipped]
    notes: Sequence[str] = ()
