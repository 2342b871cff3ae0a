"""Which files links lead to, on the disk as it is now."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence


class Links:
    """The links to files in some folders and all below them, looked for when first asked.

    Links to folders are followed, and each folder is looked into once, so that a loop of links ends
    and no more is read than the folders that there are. Hidden ones are no exception. What cannot
    be looked into has no links.

    Parameters
    ----------
    folders
        Where to look, to the bottom.
    """

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self._folders = list(folders)
        self._targets: set[tuple[int, int]] = set()
        self._seen: set[tuple[int, int]] = set()

    def scan(self, folders: Iterable[str]) -> None:
        """Look into more folders, and not below them."""
        self._walk()
        for folder in folders:
            self._scan(folder)

    def lead_to(self, state: os.stat_result) -> bool:
        """Say whether a link that was seen leads to a file."""
        self._walk()
        return (state.st_dev, state.st_ino) in self._targets

    def _walk(self) -> None:
        while self._folders:
            self._folders += self._scan(self._folders.pop())

    def _scan(self, folder: str) -> list[str]:
        """Note the targets of the links in a folder, once; return the folders in it."""
        try:
            state = os.stat(folder)
            if (state.st_dev, state.st_ino) in self._seen:
                return []
            self._seen.add((state.st_dev, state.st_ino))
            with os.scandir(folder) as entries:
                return [entry.path for entry in entries if self._is_folder(entry)]
        except (OSError, ValueError):
            return []

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            if not entry.is_symlink():
                return entry.is_dir()
            state = os.stat(entry.path)
        except OSError:
            return False
        if stat.S_ISREG(state.st_mode):
            self._targets.add((state.st_dev, state.st_ino))
        return stat.S_ISDIR(state.st_mode)
