"""Image files and archives in local folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence

from engine.pictures.formats import EXTENSIONS, extension_of
from engine.pictures.sources.found import Found
from engine.pictures.sources.paths import archive_parts
from engine.pictures.sources.states import file_state, inode_of
from engine.pictures.sources.table import archive_kind
from engine.pictures.walk_rules import WalkRules, in_trash, without_twins
from engine.skipped import Skipped
from index.errors import reason_of


class FolderWalk:
    """Folders walked one after the other, each once.

    Attributes
    ----------
    found
        What was seen so far.
    links
        Links to folders that were seen and not followed yet.
    """

    def __init__(self, rules: WalkRules, progress: Callable[[int], None]) -> None:
        self._progress = progress
        self.found = Found()
        self.links: list[str] = []
        self._rules = rules
        self._linked_files: list[str] = []
        self._files: set[str] = set()
        self._folders: set[tuple[int, int]] = set()

    def roots(self, paths: Sequence[str]) -> list[str]:
        """Take the files among some starting points; return the folders."""
        folders = []
        for path in paths:
            try:
                state = os.stat(path)
            except NotADirectoryError as error:
                self._part_of_archive(path, error)
                continue
            except (OSError, ValueError) as error:
                self.cannot_look(path, error)
                continue
            self.found.roots.append(path)
            if stat.S_ISDIR(state.st_mode):
                folders.append(path)
            elif archive_kind(path) is not None and stat.S_ISREG(state.st_mode):
                self.found.archives.append(file_state(path, state))
            else:
                self.take(path, state)
        return folders

    def _part_of_archive(self, path: str, error: NotADirectoryError) -> None:
        """Note the archive that a path leads into."""
        for archive, _ in archive_parts(path):
            if os.path.isfile(archive):
                self.found.roots.append(path)
                self.found.archives.append(file_state(archive, os.stat(archive)))
                return
        self.cannot_look(path, error)

    def folder(self, top: str) -> None:
        """Take every image at or below a folder, without following links."""
        if (real := os.path.realpath(top)) != top:
            if in_trash(real):
                self.found.left_out += 1
                return
            self.found.real[top] = real
        for folder, subfolders, files in os.walk(top, onerror=self._unreadable):
            try:
                state = os.stat(folder)
            except OSError as error:
                self.cannot_look(folder, error)
                subfolders.clear()
                continue
            if (state.st_dev, state.st_ino) in self._folders:
                subfolders.clear()
                continue
            self._folders.add((state.st_dev, state.st_ino))
            subfolders[:] = self._wanted_folders(top, folder, subfolders)
            paths = [os.path.join(folder, name) for name in subfolders]
            self.links += filter(os.path.islink, paths)
            self.found.skipped += [
                Skipped(path, "it is a folder, not a picture", "Rename it")
                for path in paths
                if self._rules.is_image(os.path.basename(path))
            ]
            for path in self._wanted_files(top, folder, files):
                self._look(path)
            self._note_archives(top, folder, files)
            self._progress(len(self.found.files))

    def _wanted_folders(self, top: str, folder: str, names: list[str]) -> list[str]:
        """Return the names of the folders to go into, sorted; count the others."""
        shown = [name for name in names if not self._rules.folder_is_hidden(name)]
        self.found.left_out += len(names) - len(shown)
        return sorted(self._not_excluded(top, folder, shown))

    def _wanted_files(self, top: str, folder: str, names: list[str]) -> list[str]:
        """Return the paths of the image files to take; count the others."""
        images = list(filter(self._rules.is_image, names))
        self.found.left_out += sum(
            name.startswith(".") and extension_of(name) in EXTENSIONS for name in names
        ) - sum(name.startswith(".") for name in images)
        wanted = without_twins(images)
        self.found.twins += len(images) - len(wanted)
        return [os.path.join(folder, name) for name in self._not_excluded(top, folder, wanted)]

    def _note_archives(self, top: str, folder: str, names: list[str]) -> None:
        archives = self._not_excluded(top, folder, sorted(filter(self._rules.is_archive, names)))
        for path in (os.path.join(folder, name) for name in archives):
            try:
                state = os.stat(path)
            except OSError as error:
                self.cannot_look(path, error)
                continue
            if stat.S_ISREG(state.st_mode):
                found = self.found.archives if self._rules.archives else self.found.closed
                found.append(file_state(path, state))

    def _not_excluded(self, top: str, folder: str, names: list[str]) -> list[str]:
        if not self._rules.exclude:
            return names
        left = [name for name in names if not self._rules.excludes(os.path.join(folder, name), top)]
        self.found.excluded += len(names) - len(left)
        return left

    def take(self, path: str, state: os.stat_result) -> None:
        """Take a file, once."""
        if path in self._files:
            return
        self._files.add(path)
        if stat.S_ISREG(state.st_mode):
            self.found.files.append(file_state(path, state))
        else:
            self.found.skipped.append(
                Skipped(path, "it is not an ordinary file", "Name a file that holds a picture")
            )

    def cannot_look(self, path: str, error: OSError | ValueError) -> None:
        """Note a path below which nothing counts as gone."""
        self.found.unseen.append(path)
        self.found.skipped.append(cannot_be_seen(path, error))

    def take_linked_files(self) -> None:
        """Take each file that only links lead to, once, under the first of them."""
        taken = {file.inode: file.path for file in self.found.files} if self._linked_files else {}
        for path in sorted(self._linked_files):
            try:
                state = os.stat(path)
                twin = taken.get(inode_of(state))
                if twin is not None and os.path.samefile(twin, path):
                    continue
            except OSError as error:
                self.cannot_look(path, error)
                continue
            taken[inode_of(state)] = path
            if in_trash(real := os.path.realpath(path)):
                self.found.left_out += 1
                continue
            self.found.real[path] = real
            self.take(path, state)

    def _look(self, path: str) -> None:
        try:
            state = os.lstat(path)
        except OSError as error:
            self.cannot_look(path, error)
            return
        if stat.S_ISLNK(state.st_mode):
            self._linked_files.append(path)
        else:
            self.take(path, state)

    def _unreadable(self, error: OSError) -> None:
        self.cannot_look(error.filename, error)


def cannot_be_seen(path: str, error: OSError | ValueError) -> Skipped:
    """Return what is said of a path that the system does not show."""
    if isinstance(error, ValueError):
        return Skipped(path, f"nothing has such a name ({error})", "Check the path")
    if isinstance(error, FileNotFoundError):
        hint = "A broken link? Check that the path exists and its drive is mounted"
        return Skipped(path, "there is nothing at this path", hint)
    if isinstance(error, PermissionError):
        return Skipped(
            path,
            "permission denied",
            f"Allow reading it and entering its folder: chmod u+rX {path}",
        )
    return Skipped(path, reason_of(error), "Check the drive")
