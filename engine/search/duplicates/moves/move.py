"""Moving duplicates aside, each checked again when its turn comes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError, UsageError
from engine.progress import Reporter
from engine.search.duplicates.keep import Keep
from engine.search.duplicates.moves.destination import Destination
from engine.search.duplicates.moves.records import Header, MadeFolder, Move, problem_of
from engine.search.duplicates.moves.results import MovedFile, MoveReport
from engine.search.duplicates.moves.undo_command import undo_command
from engine.search.duplicates.moves.writer import ManifestWriter
from engine.search.results import DuplicateGroup
from engine.skipped import Skipped
from index.catalog.catalog import Catalog
from index.errors import reason_of
from index.files.atomic_file import sync_folder
from index.files.move_file import ChangedError, FileContent, move_file, state_with
from index.records import KnownImage
from index.store import Store

# The disk, and not one file, is the reason: all that follow would fail alike.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
LEVELS = ("exact", "copy")


@dataclass(frozen=True, slots=True)
class MoveLimits:
    """How much is done at a time.

    Attributes
    ----------
    hide
        After so many files the catalog hears of them.
    """

    hide: int = 256


class _SkippedError(Exception):
    """A file stays; `args` are reason and remedy."""


class Mover:
    """One run that moves duplicates aside.

    Parameters
    ----------
    catalog
        Where their images are. The caller holds the store's writer lock.
    folder
        Where to.
    store, level, keep
        The store, and what is moved by which rule; the manifest says so.
    reporter
        Hears progress, and of an end before time.
    name
        That of the manifest, without an ending; by default one by the time.

    Raises
    ------
    UsageError
        The folder cannot be one for them.
    """

    def __init__(
        self,
        catalog: Catalog,
        folder: str,
        store: Store,
        level: str,
        keep: Keep,
        reporter: Reporter,
        limits: MoveLimits = MoveLimits(),
        *,
        name: str | None = None,
    ) -> None:
        self._name = name
        self._catalog = catalog
        self._destination = Destination(folder, catalog.folders.all(), str(store.folder))
        self._header = Header(store.name, level, str(keep))
        self._keep = keep
        self._reporter = reporter
        self._limits = limits
        self._known: Mapping[str, KnownImage] = {}
        self._stays: dict[str, os.stat_result] = {}
        self._manifest: ManifestWriter | None = None
        self._pending: Move | None = None
        self._moved: dict[str, MovedFile] = {}
        self._skipped: list[Skipped] = []
        self._to_hide: set[int] = set()

    def run(self, groups: Iterable[DuplicateGroup]) -> MoveReport:
        """Move what may go of each group.

        Raises
        ------
        UsageError
            The pattern of what stays names none of them: nothing was moved.
        EngineError
            The folder cannot be written, or is full. What was moved stays moved, and the way back
            is announced; so it is after an interrupt.
        """
        groups = list(groups)
        if (unmatched := self._keep.unmatched(groups)) is not None:
            raise UsageError("keep", unmatched, "Nothing was moved; write it as */folder/*")
        keep_of = {path: group.keep for group in groups for path in group.removable}
        exact = {path for group in groups if group.kind == LEVELS[0] for path in group.removable}
        self._known = self._catalog.images.known([*keep_of, *keep_of.values()])
        try:
            for number, (path, keep) in enumerate(keep_of.items(), start=1):
                try:
                    self._move(path, keep, same_content=path in exact)
                except _SkippedError as skip:
                    self._skipped.append(Skipped(path, *skip.args))
                self._reporter.progress("moving", number, len(keep_of), "files")
                if len(self._to_hide) >= self._limits.hide:
                    self._hide()
        except BaseException:
            self._settle_pending()
            if self._manifest is not None:
                told = f"{len(self._moved)} files were moved; `{self._undo()}` puts them back"
                self._reporter.announce(told)
            raise
        finally:
            self._hide()
            if self._manifest is not None:
                self._manifest.close()
        manifest = self._manifest.path if self._manifest else None
        undo = self._undo() if manifest else None
        moved = list(self._moved.values())
        return MoveReport(self._destination.folder, manifest, undo, moved, self._skipped)

    def _undo(self) -> str:
        return undo_command(self._manifest.path if self._manifest else "", self._header.store)

    def _move(self, path: str, keep: str, *, same_content: bool) -> None:
        """Move one file.

        Raises
        ------
        _SkippedError
            It stays.
        """
        row, content = self._content(path)
        if not os.access(os.path.dirname(path), os.W_OK):
            raise _SkippedError("its folder cannot be written", "Allow it, or move it by hand")
        state = _checked(path, content)
        self._require_stays(keep, state, content.sha256 if same_content else None)
        root = self._destination.root_of(path)
        facts = content.size, content.sha256, state.st_mtime_ns, keep, root, _inode(root)
        for name in self._destination.names(path):
            if os.path.lexists(os.path.join(self._destination.folder, name)):
                continue
            move = Move(path, name, *facts)
            if (problem := problem_of(move)) is not None:
                raise _SkippedError(problem, "Move it by hand")
            try:
                self._carry_out(move, state)
                break
            except FileExistsError:
                continue
        self._note(move, row)

    def _carry_out(self, move: Move, state: os.stat_result) -> None:
        """Write a move down, and do it.

        Raises
        ------
        FileExistsError
            The destination was taken meanwhile.
        """
        folder = self._destination.folder
        try:
            folders = self._destination.missing_folders(move.destination)
            if self._manifest is None:
                self._destination.make()
                self._manifest = ManifestWriter(folder, self._header, self._name)
            self._manifest.add([*map(MadeFolder, folders), move])
            self._pending = move
            for each in folders:
                os.mkdir(os.path.join(folder, each))
                sync_folder(Path(folder, each).parent)
            target = os.path.join(folder, move.destination)
            move_file(move.source, target, state, move.content)
            if not os.path.lexists(move.copy_of):
                # A drive that is mounted twice shows one file as two.
                move_file(target, move.source, os.lstat(target), move.content)
                reason = f"what would stay went with it, being the same file: {move.copy_of}"
                raise _SkippedError(reason, "Index a drive by one of its paths alone")
        except FileExistsError:
            raise
        except ChangedError:
            raise _SkippedError(
                "it is being changed", "Run `engine index`, then try again"
            ) from None
        except OSError as error:
            if error.errno in _FULL:
                reason = f"nothing more can be written here ({reason_of(error)})"
                raise EngineError(folder, reason, "Free some space, then go on") from None
            raise _SkippedError(
                f"it cannot be moved ({reason_of(error)})", "Check permissions, here and there"
            ) from None

    def _content(self, path: str) -> tuple[KnownImage, FileContent]:
        row = self._known.get(path)
        if row is None or row.missing:
            raise _SkippedError("the catalog has it no more", "Run `engine index`, then try again")
        return row, FileContent(row.size, row.content_hash, row.mtime_ns)

    def _require_stays(self, keep: str, other: os.stat_result, sha256: str | None) -> None:
        """Insist that what stays is there, holds what it should, and is another file.

        Raises
        ------
        _SkippedError
            It is not.
        """
        _, content = self._content(keep)
        try:
            before, now = self._stays.get(keep), os.lstat(keep)
            if before is None or not os.path.samestat(before, now) or _times(before) != _times(now):
                self._stays[keep] = now = _checked(keep, content)
        except (OSError, _SkippedError):
            self._stays.pop(keep, None)
            reason = f"what would stay is not as it was indexed: {keep}"
            raise _SkippedError(reason, "Run `engine index`, then try again") from None
        if os.path.samestat(now, other) or sha256 not in (None, content.sha256):
            reason = f"it is no copy any more of what would stay: {keep}"
            raise _SkippedError(reason, "Run `engine index`, then try again")

    def _note(self, move: Move, row: KnownImage) -> None:
        """Note that a file was moved; doing so twice is no harm."""
        target = os.path.join(self._destination.folder, move.destination)
        self._moved[move.source] = MovedFile(move.source, target, move.copy_of, move.size)
        self._to_hide.add(row.id)

    def _settle_pending(self) -> None:
        """Note a move that was done when an interrupt came."""
        move = self._pending
        if move is None or os.path.lexists(move.source):
            return
        if os.path.lexists(os.path.join(self._destination.folder, move.destination)):
            self._note(move, self._known[move.source])

    def _hide(self) -> None:
        """Tell the catalog that files are gone."""
        self._catalog.images.hide(sorted(self._to_hide))
        self._to_hide.clear()


def require_level(level: str) -> None:
    """Insist on a level at which files may be moved.

    Raises
    ------
    UsageError
        It is `similar`, or none.
    """
    if level == "similar":
        reason = "pictures that look alike are no copies of each other, and none is moved"
        raise UsageError("level", reason, "Use exact or copy")
    if level not in LEVELS:
        raise UsageError("level", f"{level!r} is not a choice", "Use exact or copy")


def _checked(path: str, content: FileContent) -> os.stat_result:
    """Return the state of a file that holds what it should.

    Raises
    ------
    _SkippedError
        It does not, or cannot be read.
    """
    try:
        state = state_with(path, content)
    except OSError as error:
        raise _SkippedError(
            f"it cannot be read ({reason_of(error)})", "Check its permissions"
        ) from None
    if state is None:
        raise _SkippedError("it is not as it was indexed", "Run `engine index`, then try again")
    return state


def _inode(folder: str) -> int:
    try:
        return os.stat(folder).st_ino
    except OSError as error:
        reason = f"its folder {folder} is gone ({reason_of(error)})"
        raise _SkippedError(reason, "Mount its drive") from None


def _times(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns
