"""Putting back what a manifest says was moved: from its end, and as often as one likes.

Each file is looked for at both of its names, so that whatever was done of its move, or of an
earlier undoing, is finished or taken back. What is done twice changes nothing.
"""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from dataclasses import dataclass

from engine.pictures.sources.states import file_state
from engine.progress import Reporter
from engine.search.duplicates.moves.reader import Manifest, open_manifest, read_manifest
from engine.search.duplicates.moves.records import Move
from engine.search.duplicates.moves.results import MovedFile, UndoReport
from engine.search.duplicates.moves.reveal import reveal
from engine.skipped import Skipped
from index.catalog.catalog import Catalog
from index.errors import reason_of
from index.files.move_file import ChangedError, discard_part, move_file, state_with
from index.files.regular_file import is_regular
from index.records import FileState

AGAIN = "Set that right, then undo again: what is done stays done"
UNKNOWN = "{count} of them are not in the catalog: `engine index` takes them up"
NO_CATALOG = "no catalog was changed ({reason}): `engine index` takes them up"


@dataclass(frozen=True, slots=True)
class UndoLimits:
    """How much is done at a time.

    Attributes
    ----------
    show
        After so many files the catalog hears of them.
    """

    show: int = 256


class _SkippedError(Exception):
    """A file cannot be put back; `args` are reason and remedy."""


class Undo:
    """One playing back of a manifest.

    Parameters
    ----------
    manifest
        It, all of which was checked.
    catalog
        Where the images are shown again; the caller holds the store's writer lock. None where
        there is no catalog.
    no_catalog
        Why there is none.
    reporter
        Hears progress.
    """

    def __init__(
        self,
        manifest: Manifest,
        catalog: Catalog | None,
        reporter: Reporter,
        limits: UndoLimits = UndoLimits(),
        *,
        no_catalog: str = "",
    ) -> None:
        self._manifest = manifest
        self._catalog = catalog
        self._no_catalog = no_catalog
        self._reporter = reporter
        self._limits = limits
        self._real: dict[str, str] = {}
        self._roots: dict[str, bool] = {}
        self._restored: list[MovedFile] = []
        self._already_there = 0
        self._skipped: list[Skipped] = []
        self._to_show: list[tuple[Move, FileState, int]] = []
        self._unknown = 0

    def run(self) -> UndoReport:
        """Put back every file that can be."""
        moves = self._manifest.moves
        try:
            for number, move in enumerate(reversed(moves), start=1):
                try:
                    self._undo(move)
                except _SkippedError as skip:
                    self._skipped.append(Skipped(move.source, *skip.args))
                except (OSError, ValueError, OverflowError) as error:
                    why = reason_of(error) if isinstance(error, OSError) else str(error)
                    reason = f"it cannot be put back from {self._path(move)} ({why})"
                    self._skipped.append(Skipped(move.source, reason, AGAIN))
                self._reporter.progress("putting back", number, len(moves), "files")
                if len(self._to_show) >= self._limits.show:
                    self._show()
        finally:
            self._show()
        self._remove_folders()
        return UndoReport(
            self._manifest.path, self._restored, self._already_there, self._skipped, self._notes()
        )

    def _path(self, move: Move) -> str:
        return os.path.join(self._manifest.folder, move.destination)

    def _undo(self, move: Move) -> None:
        """Bring one file to its old name.

        Raises
        ------
        _SkippedError
            That cannot be.
        OSError
            The system refuses.
        """
        scanned_ns = time.time_ns()
        moved = self._path(move)
        self._require_own(moved)
        discard_part(move.source)
        discard_part(moved)
        at_source, at_moved = _state(move.source), _state(moved)
        if at_source is not None and at_moved is not None and _are_one(move.source, moved):
            # Ended between its second name and the loss of the first.
            os.unlink(moved)
            self._note(move, scanned_ns, restored=True)
        elif at_source is not None and _holds(move.source, at_source, move):
            if at_moved is not None and os.path.samestat(at_source, at_moved):
                at_moved = None  # one name, written in two ways
            self._finish(move, moved, at_moved, scanned_ns)
        else:
            self._put_back(move, moved, at_source, scanned_ns)

    def _finish(
        self, move: Move, moved: str, at_moved: os.stat_result | None, scanned_ns: int
    ) -> None:
        """Take away the second copy of a file that is in its old place."""
        left = _holds(moved, at_moved, move) or _is_empty(at_moved)
        if left:
            os.unlink(moved)
        self._note(move, scanned_ns, restored=left)

    def _put_back(
        self, move: Move, moved: str, at_source: os.stat_result | None, scanned_ns: int
    ) -> None:
        if not os.path.lexists(moved):
            where = "neither here" if at_source is None else "not here, where another file lies,"
            raise _SkippedError(
                f"it is {where} nor at {moved}", "Was it moved on by hand, or deleted?"
            )
        state = state_with(moved, move.content)
        if state is None:
            raise _SkippedError(f"it was changed since it was moved, and stays at {moved}", AGAIN)
        if at_source is not None and not _is_empty(at_source):
            raise _SkippedError(f"something else lies here; it stays at {moved}", AGAIN)
        self._require_folder(move, moved)
        if at_source is not None:
            # What a move without hard links begins with holds nothing.
            os.unlink(move.source)
        try:
            move_file(moved, move.source, state, move.content)
        except FileExistsError:
            raise _SkippedError(f"something else lies here; it stays at {moved}", AGAIN) from None
        except ChangedError:
            raise _SkippedError(f"it is being changed, and stays at {moved}", AGAIN) from None
        self._note(move, scanned_ns, restored=True)

    def _require_folder(self, move: Move, moved: str) -> None:
        """Insist on the folder of a file's old name, made anew where its drive is there."""
        folder = os.path.dirname(move.source)
        if move.root not in self._roots:
            self._roots[move.root] = _is_there(move.root, move.root_inode)
        if not self._roots[move.root]:
            raise _SkippedError(
                f"its folder is gone; it stays at {moved}",
                f"Mount the drive of {move.root}, or make it and put something into it, then "
                "undo again",
            )
        os.makedirs(folder, exist_ok=True)

    def _require_own(self, moved: str) -> None:
        """Insist that a path below the folder of the manifest leads through no link."""
        folder = os.path.dirname(moved)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        if self._real[folder] != folder:
            raise _SkippedError(
                f"a link leads to {moved}, where it was moved to", "Remove the link"
            )

    def _note(self, move: Move, scanned_ns: int, *, restored: bool) -> None:
        if restored:
            self._restored.append(MovedFile(move.source, self._path(move), move.copy_of, move.size))
        else:
            self._already_there += 1
        file = file_state(move.source, os.lstat(move.source))
        self._to_show.append((move, file, scanned_ns))

    def _show(self) -> None:
        """Tell the catalog that files are there again."""
        if self._catalog is not None and self._to_show:
            self._unknown += reveal(self._catalog, self._to_show, self._manifest.folder)
        self._to_show = []

    def _remove_folders(self) -> None:
        """Remove the folders that were made for the files, where they are empty."""
        for each in reversed(self._manifest.folders):
            path = os.path.join(self._manifest.folder, each.made)
            with suppress(OSError, _SkippedError):
                self._require_own(path)
                os.rmdir(path)

    def _notes(self) -> list[str]:
        if not self._restored and not self._already_there:
            return []
        if self._catalog is None:
            return [NO_CATALOG.format(reason=self._no_catalog)]
        return [UNKNOWN.format(count=self._unknown)] if self._unknown else []


def undo_moves(
    path: str, catalog: Catalog | None, reporter: Reporter, no_catalog: str = ""
) -> UndoReport:
    """Play back the manifest at a path; parameters and result are those of `Undo`.

    Raises
    ------
    EngineError
        It is none, it is damaged, or another process works with it; nothing was changed.
    """
    folder, name = os.path.split(os.path.abspath(path))
    with suppress(ValueError):  # nothing has such a name, as is found when it is opened
        path = os.path.join(os.path.realpath(folder), name)
    with closing(open_manifest(path)) as file:
        manifest = read_manifest(file, path)
        return Undo(manifest, catalog, reporter, no_catalog=no_catalog).run()


def _state(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _is_there(root: str, inode: int) -> bool:
    """Say whether a folder is one that was indexed, and no empty one where a drive would be."""
    try:
        if os.stat(root).st_ino == inode:
            return True
        with os.scandir(root) as entries:
            return any(entries)
    except OSError:
        return False


def _holds(path: str, state: os.stat_result | None, move: Move) -> bool:
    """Say whether a path is an ordinary file that holds what was moved."""
    if state is None or not is_regular(state) or state.st_size != move.size:
        return False
    return state_with(path, move.content) is not None


def _is_empty(state: os.stat_result | None) -> bool:
    return state is not None and is_regular(state) and not state.st_size


def _are_one(one: str, other: str) -> bool:
    """Say whether two names are those of one file, and not one name written in two ways."""
    state = os.lstat(one)
    if state.st_nlink < 2 or not is_regular(state) or not os.path.samestat(state, os.lstat(other)):
        return False
    folders = [os.stat(os.path.dirname(path)) for path in (one, other)]
    names = [os.path.basename(path) for path in (one, other)]
    return not os.path.samestat(*folders) or names[0] != names[1]
