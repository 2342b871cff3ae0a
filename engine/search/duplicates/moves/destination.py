"""The folder that duplicates are moved to, and where each of them lies in it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence

from engine.errors import EngineError, UsageError
from engine.pictures.walk_rules import is_junk
from index.catalog.paths import at_or_above, is_below
from index.errors import reason_of

OPTION = "--move-to"
# Of a file's name, in bytes: what Linux, macOS and Windows take.
NAME_BYTES = 255


class Destination:
    """A folder for files that are moved aside.

    A file of an indexed folder lies below a folder of the same name there, as it lay in it.

    Parameters
    ----------
    folder
        Where; it need not be there yet.
    roots
        The folders that were indexed.
    store
        The folder of the store.

    Attributes
    ----------
    folder
        Its real path.

    Raises
    ------
    UsageError
        It is a link or a file, or what lies in it would be indexed again.
    """

    def __init__(self, folder: str, roots: Sequence[str], store: str) -> None:
        self._roots = frozenset(roots)
        self._real_roots = frozenset(map(os.path.realpath, roots))
        self._store = os.path.realpath(store)
        self._taken: dict[str, int] = {}
        self.folder = _real_folder(folder)
        for inside in ("", *map(_folder_name, roots)):
            self._require_unseen(os.path.join(self.folder, inside).rstrip(os.sep) or os.sep)

    def make(self) -> None:
        """Make the folder.

        Raises
        ------
        EngineError
            It cannot be made.
        """
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            reason = f"it cannot be made ({reason_of(error)})"
            raise EngineError(self.folder, reason, f"Name another folder with {OPTION}") from None

    def root_of(self, path: str) -> str:
        """Return the indexed folder that a file lies in, else the folder that it lies in."""
        above = (each for each in at_or_above(path) if each in self._roots and each != path)
        return next(above, os.path.dirname(path))

    def names(self, path: str) -> Iterator[str]:
        """Yield paths relative to the folder that a file may have there, the best first."""
        root = self.root_of(path)
        relative = os.path.join(_folder_name(root), os.path.relpath(path, root))
        number = self._taken.get(relative, 0)
        while True:
            number += 1
            self._taken[relative] = number
            yield relative if number == 1 else numbered(relative, number)

    def missing_folders(self, relative: str) -> list[str]:
        """Return the folders that a path needs and that are not there, the outermost first.

        Raises
        ------
        OSError
            Something else than a folder lies there, or a link.
        """
        missing: list[str] = []
        parts = relative.split(os.sep)[:-1]
        for end in range(1, len(parts) + 1):
            part = os.path.join(*parts[:end])
            path = os.path.join(self.folder, part)
            try:
                if not stat.S_ISDIR(os.lstat(path).st_mode):
                    raise OSError(errno.ENOTDIR, "what lies there is no folder of its own", path)
            except FileNotFoundError:
                missing.append(part)
        return missing

    def _require_unseen(self, folder: str) -> None:
        """Insist that what lies in a folder is not indexed, now or by the next run.

        Raises
        ------
        UsageError
            It would be.
        """
        if is_below(folder, (self._store,)):
            reason = "the store is no place for pictures"
            raise UsageError(self.folder, reason, f"Name another folder with {OPTION}")
        for root in self._real_roots:
            if not is_below(folder, (root,)):
                continue
            inside = os.path.relpath(folder, root)
            if inside == "." or not any(map(is_junk, inside.split(os.sep))):
                raise UsageError(
                    self.folder,
                    f"what lies there would be indexed again, with {root}",
                    "Name a folder outside, or a hidden one such as "
                    f"{os.path.join(root, '.duplicates')}",
                )


def numbered(relative: str, number: int) -> str:
    """Return a path with a number before its extension, its name no longer than one may be."""
    folder, name = os.path.split(relative)
    stem, extension = os.path.splitext(name)
    end = f" ({number}){extension}"
    while stem and len(os.fsencode(stem + end)) > NAME_BYTES:
        stem = stem[:-1]
    return os.path.join(folder, stem + end)


def _folder_name(root: str) -> str:
    return os.path.basename(root) or "root"


def _real_folder(folder: str) -> str:
    """Return the real path of a folder that is there or can be.

    Raises
    ------
    UsageError
        It is a link, a file, or a name that nothing can have.
    """
    path = os.path.abspath(folder)
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return os.path.realpath(path)
    except (OSError, ValueError) as error:
        reason = f"this can be no folder ({reason_of(error)})"
        raise UsageError(folder, reason, f"Name another with {OPTION}") from None
    if stat.S_ISLNK(state.st_mode):
        reason = f"it is a link to {os.path.realpath(path)}"
        raise UsageError(folder, reason, "Name the folder that it leads to")
    if not stat.S_ISDIR(state.st_mode):
        raise UsageError(folder, "it is a file", f"Name a folder with {OPTION}")
    return os.path.realpath(path)
