"""The manifest of a move: a file of JSON Lines that says what is moved before it is moved.

The first line is the header. Each other line names a file to be moved, or a folder to be made for
it, and is on the disk before that happens; of two lines about one source the later one counts. What
is moved lies below the folder of the manifest, and is named relative to it, so that both can move
together. Only the last line may be cut short: then nothing of what it says was done.

A manifest that is read may be anybody's. It is believed in nothing that its lines cannot show to be
harmless: names are those of pictures, what is moved lies in its own folder, and outside of that
nothing is written over or removed, but for a picture's file that is empty.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from engine.pictures.formats import EXTENSIONS, extension_of
from index.catalog.paths import is_below
from index.files.move_file import FileContent

KIND, VERSION = "engine duplicates", 1


@dataclass(frozen=True, slots=True)
class Header:
    """Of which store, at which level and by which rule duplicates were moved."""

    store: str
    level: str
    keep: str


@dataclass(frozen=True, slots=True)
class Move:
    """A file that is about to be moved.

    Attributes
    ----------
    source
        Its absolute path.
    destination
        Where it is to lie, relative to the folder of the manifest.
    size, sha256, mtime_ns
        What it holds, and when it was last changed.
    copy_of
        The file that stays.
    root, root_inode
        The indexed folder that it lies in, and its inode: where a drive is not mounted, an empty
        folder of another inode lies there.
    """

    source: str
    destination: str
    size: int
    sha256: str
    mtime_ns: int
    copy_of: str
    root: str
    root_inode: int

    @property
    def content(self) -> FileContent:
        """What the file holds."""
        return FileContent(self.size, self.sha256, self.mtime_ns)


@dataclass(frozen=True, slots=True)
class MadeFolder:
    """A folder that is about to be made, relative to the folder of the manifest."""

    made: str


def problem_of(move: Move) -> str | None:
    """Return why a move cannot be written down, and is not believed where it is."""
    if not is_inside(move.destination):
        return "its destination lies outside the folder of the manifest"
    if not all(map(_is_absolute, (move.source, move.copy_of, move.root))):
        return "a path is not whole, or not written as paths are"
    if not is_below(move.source, (move.root,)):
        return "it lies outside its folder"
    if not all(extension_of(path) in EXTENSIONS for path in (move.source, move.destination)):
        return "its name is not that of a picture"
    if not (0 < move.size < 2**63 and abs(move.mtime_ns) < 2**90 and 0 <= move.root_inode < 2**64):
        return "a number is out of range"
    if len(move.sha256) != 64 or not set(move.sha256) <= set("0123456789abcdef"):
        return "it has no SHA-256"
    return None


def _is_absolute(path: str) -> bool:
    return os.path.isabs(path) and os.path.normpath(path) == path and not path.startswith("//")


def is_inside(path: str) -> bool:
    """Say whether a relative path leads to something below a folder, and is written plainly."""
    parts = path.split(os.sep)
    return os.path.normpath(path) == path and parts[0] not in ("", ".", "..")
