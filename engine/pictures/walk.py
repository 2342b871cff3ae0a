"""Finding image files below folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.errors import EngineError, UsageError
from engine.pictures.formats import EXTENSIONS, RAW_EXTENSIONS, extension_of
from engine.pictures.walk_rules import WalkRules, in_trash
from engine.skipped import Skipped
from index.errors import reason_of
from index.records import FileState

# What a database takes: 64 bits with a sign. File systems know larger inodes, and times whose
# nanoseconds since 1970 take more.
SMALLEST, LARGEST = -(2**63), 2**63 - 1


@dataclass(slots=True)
class Found:
    """What a walk saw.

    Attributes
    ----------
    files
        Image files in order of path, each once.
    skipped
        Things that could not be looked at.
    roots
        The starting points that exist, as absolute paths.
    unseen
        Paths below which the walk could not look: nothing there counts as gone.
    twins
        How many raw files of a camera were left out for a JPEG of the same name beside them.
    left_out
        How many folders and files were left out because they are hidden, or a system's or tool's.
    excluded
        How many folders and files were left out because a pattern says so.
    real
        The real paths of what was reached through links, by the paths that it has there.
    """

    files: list[FileState] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    twins: int = 0
    left_out: int = 0
    excluded: int = 0
    real: dict[str, str] = field(default_factory=dict)


def find_images(
    paths: Sequence[str],
    rules: WalkRules | None = None,
    progress: Callable[[int], None] = lambda files: None,
) -> Found:
    """Return every image file at or below `paths`.

    Hidden files and folders, and those of systems and tools, are left out, and what `rules`
    exclude. Links are followed, and each folder and each linked file is taken once: under its real
    path where one of `paths` leads there without a link, else under a path as it was given, else
    under the first link to it. So a loop of links ends. A raw file of a camera is left out where a
    JPEG of the same name lies beside it. A file named by hand is always taken.

    Parameters
    ----------
    progress
        Hears after each folder how many files were found so far.
    """
    walk = _Walk(rules or WalkRules(), progress)
    folders: list[str] = []
    for path in map(os.path.abspath, paths):
        try:
            state = os.stat(path)
        except (OSError, ValueError) as error:
            walk.cannot_look(path, error)
            continue
        walk.found.roots.append(path)
        if stat.S_ISDIR(state.st_mode):
            folders.append(path)
        else:
            walk.take(path, state)
    real = {folder: os.path.realpath(folder) for folder in folders}
    # Of two that are named through links, the inner one keeps its name.
    for folder in sorted(real, key=lambda each: (real[each] != each, -len(real[each]))):
        walk.folder(folder)
    while walk.links:
        links, walk.links = sorted(walk.links), []
        for link in links:
            walk.folder(link)
    walk.take_linked_files()
    walk.found.files.sort(key=lambda file: file.path)
    return walk.found


def require_one(paths: Sequence[str]) -> None:
    """Insist that at least one of the paths can be looked at.

    Raises
    ------
    UsageError
        No path was named.
    EngineError
        None of them exists.
    """
    if not paths:
        raise UsageError("PATH", "no folder was named", "Name a folder of pictures")
    failures = []
    for path in paths:
        try:
            os.stat(path)
            return
        except (OSError, ValueError) as error:
            failures.append(_cannot_look(path, error))
    first = failures[0]
    none = EngineError(first.path, first.reason, "Name a folder or a picture that exists")
    none.skipped = failures
    raise none


class _Walk:
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
        wanted = _without_twins(images)
        self.found.twins += len(images) - len(wanted)
        return [os.path.join(folder, name) for name in self._not_excluded(top, folder, wanted)]

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
        self.found.skipped.append(_cannot_look(path, error))

    def take_linked_files(self) -> None:
        """Take each file that only links lead to, once, under the first of them."""
        taken = {file.inode: file.path for file in self.found.files} if self._linked_files else {}
        for path in sorted(self._linked_files):
            try:
                state = os.stat(path)
                twin = taken.get(_inode(state))
                if twin is not None and os.path.samefile(twin, path):
                    continue
            except OSError as error:
                self.cannot_look(path, error)
                continue
            taken[_inode(state)] = path
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


def file_state(path: str, state: os.stat_result) -> FileState:
    """Return what is remembered of a file's state, in whole numbers that a database takes.

    A time before 1677 or after 2262, whose nanoseconds take more than 64 bits, becomes the first or
    the last that they hold. A file of the future is younger than its scan: every run opens it.
    """
    size, modified, changed = map(_stored, (state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    return FileState(path, size, modified, _inode(state), changed)


def _stored(number: int) -> int:
    return max(SMALLEST, min(number, LARGEST))


def _inode(state: os.stat_result) -> int:
    return state.st_ino & LARGEST


def _without_twins(names: list[str]) -> list[str]:
    """Leave out raw files beside which there is a JPEG of the same name."""
    jpegs = {_stem(name) for name in names if extension_of(name) in ("jpg", "jpeg")}
    return [
        name
        for name in names
        if extension_of(name) not in RAW_EXTENSIONS or _stem(name) not in jpegs
    ]


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].lower()


def _cannot_look(path: str, error: OSError | ValueError) -> Skipped:
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
