"""Finding image files below folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.errors import EngineError, UsageError
from engine.pictures.formats import EXTENSIONS, RAW_EXTENSIONS, extension_of
from engine.results import Skipped
from index.records import FileState

# Folders that operating systems and network drives make for themselves.
JUNK = frozenset(
    ("__macosx", "$recycle.bin", "@eadir", "#recycle", "system volume information", "lost+found")
)


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
    """

    files: list[FileState] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    twins: int = 0


def find_images(paths: Sequence[str]) -> Found:
    """Return every image file at or below `paths`.

    Hidden files and folders, and the operating systems' own, are left out. Links to folders are
    followed, and each folder is walked once: under its real path where one of `paths` leads there
    without a link, else under a path as it was given, else under the first link to it. So a loop
    of links ends. A link to a file is a file of its own. A raw file of a camera is left out where a
    JPEG of the same name lies beside it. A file named by hand is always taken.
    """
    walk = _Walk()
    folders: list[str] = []
    for path in map(os.path.abspath, paths):
        try:
            state = os.stat(path)
        except OSError as error:
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
        except OSError as error:
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

    def __init__(self) -> None:
        self.found = Found()
        self.links: list[str] = []
        self._files: set[str] = set()
        self._folders: set[tuple[int, int]] = set()

    def folder(self, top: str) -> None:
        """Take every image at or below a folder, without following links to folders."""
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
            paths = [os.path.join(folder, name) for name in subfolders if not is_junk(name)]
            self.links += filter(os.path.islink, paths)
            subfolders[:] = sorted(name for name in subfolders if not is_junk(name))
            self.found.skipped += [
                Skipped(path, "it is a folder, not a picture", "Rename it")
                for path in paths
                if _is_image(os.path.basename(path))
            ]
            names = list(filter(_is_image, files))
            wanted = _without_twins(names)
            self.found.twins += len(names) - len(wanted)
            for name in wanted:
                self._look(os.path.join(folder, name))

    def take(self, path: str, state: os.stat_result) -> None:
        """Take a file, once."""
        if path in self._files:
            return
        self._files.add(path)
        if stat.S_ISREG(state.st_mode):
            self.found.files.append(FileState(path, state.st_size, state.st_mtime_ns))
        else:
            self.found.skipped.append(
                Skipped(path, "it is not an ordinary file", "Name a file that holds a picture")
            )

    def cannot_look(self, path: str, error: OSError) -> None:
        """Note a path below which nothing counts as gone."""
        self.found.unseen.append(path)
        self.found.skipped.append(_cannot_look(path, error))

    def _look(self, path: str) -> None:
        try:
            self.take(path, os.stat(path))
        except OSError as error:
            self.cannot_look(path, error)

    def _unreadable(self, error: OSError) -> None:
        self.cannot_look(error.filename, error)


def is_junk(name: str) -> bool:
    """Say whether a file or folder is hidden, or the operating system's own."""
    return name.startswith(".") or name.lower() in JUNK


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


def _is_image(name: str) -> bool:
    return not name.startswith(".") and extension_of(name) in EXTENSIONS


def _cannot_look(path: str, error: OSError) -> Skipped:
    if isinstance(error, FileNotFoundError):
        hint = "A broken link? Check that the path exists and its drive is mounted"
        return Skipped(path, "there is nothing at this path", hint)
    if isinstance(error, PermissionError):
        return Skipped(
            path,
            "permission denied",
            f"Allow reading it and entering its folder: chmod u+rX {path}",
        )
    return Skipped(path, error.strerror or "it cannot be looked at", "Check the drive")
