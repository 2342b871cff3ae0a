"""Finding picture files below folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.errors import EngineError, UsageError
from engine.results import Skipped
from index.records import FileState

EXTENSIONS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
)
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
        Picture files in order of path, each once.
    skipped
        Things that could not be looked at.
    roots
        The starting points that exist, as absolute paths.
    unseen
        Paths below which the walk could not look: nothing there counts as gone.
    """

    files: list[FileState] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def find_images(paths: Sequence[str]) -> Found:
    """Return every picture file at or below `paths`.

    Hidden files and folders, and the operating systems' own, are left out. Links to folders are
    followed, each folder once, so a loop of links ends. A file named by hand is always taken.
    """
    found = Found()
    seen: set[str] = set()
    folders: set[tuple[int, int]] = set()
    for path in map(os.path.abspath, paths):
        try:
            state = os.stat(path)
        except OSError as error:
            found.unseen.append(path)
            found.skipped.append(_cannot_look(path, error))
            continue
        found.roots.append(path)
        if not stat.S_ISDIR(state.st_mode):
            _take(path, state, seen, found)
            continue
        for name in _walk(path, folders, found):
            try:
                _take(name, os.stat(name), seen, found)
            except OSError as error:
                found.unseen.append(name)
                found.skipped.append(_cannot_look(name, error))
    found.files.sort(key=lambda file: file.path)
    return found


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
    raise EngineError(first.path, first.reason, "Name a folder or a picture that exists")


def _walk(top: str, folders: set[tuple[int, int]], found: Found) -> Iterator[str]:
    def unreadable(error: OSError) -> None:
        found.unseen.append(error.filename)
        found.skipped.append(_cannot_look(error.filename, error))

    for folder, subfolders, files in os.walk(top, onerror=unreadable, followlinks=True):
        try:
            state = os.stat(folder)
        except OSError as error:
            unreadable(error)
            subfolders.clear()
            continue
        if (state.st_dev, state.st_ino) in folders:
            subfolders.clear()
            continue
        folders.add((state.st_dev, state.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not is_junk(name))
        yield from (os.path.join(folder, name) for name in sorted(files) if _is_image(name))
        found.skipped += [
            Skipped(os.path.join(folder, name), "it is a folder, not a picture", "Rename it")
            for name in subfolders
            if _is_image(name)
        ]


def is_junk(name: str) -> bool:
    """Say whether a file or folder is hidden, or the operating system's own."""
    return name.startswith(".") or name.lower() in JUNK


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS


def _take(path: str, state: os.stat_result, seen: set[str], found: Found) -> None:
    if path in seen:
        return
    seen.add(path)
    if stat.S_ISREG(state.st_mode):
        found.files.append(FileState(path, state.st_size, state.st_mtime_ns))
    else:
        found.skipped.append(
            Skipped(path, "it is not an ordinary file", "Name a file that holds a picture")
        )


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
