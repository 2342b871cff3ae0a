"""The files of a store are opened as what they are: through no link, and no pipe or device.

A store is found by itself, in whatever folder a person stands. Who has made that folder, an archive
that was unpacked for one, may have put a link under the name of one of its files: what is written
there would be written over a file of the person, anywhere. A pipe would hold a reader up for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from index.errors import StoreError

# Windows has neither, nor pipes that lie in folders.
_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
REMEDY = (
    "Remove it, if it is not yours. To keep a store elsewhere, link the whole folder, or name it "
    "with --store"
)


def open_regular(path: str | Path) -> BufferedReader:
    """Open an ordinary file to read it.

    Raises
    ------
    OSError
        It cannot be opened, or is a link, a folder, a pipe or a device.
    """
    opened = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        if not is_regular(os.fstat(opened)) or not is_regular(os.lstat(path)):
            raise OSError(errno.EINVAL, "it is not an ordinary file", os.fspath(path))
        return os.fdopen(opened, "rb")
    except BaseException:
        os.close(opened)
        raise


def make_regular(path: Path) -> BinaryIO:
    """Open a new file to write it, in place of whatever has this name; a link is not followed.

    Raises
    ------
    OSError
        It cannot be made, or there is a folder.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FLAGS
    try:
        opened = os.open(path, flags, 0o666)
    except OSError:
        if not os.path.lexists(path) or is_regular(os.lstat(path)):
            raise
    else:
        if is_regular(os.fstat(opened)):
            return os.fdopen(opened, "wb")
        os.close(opened)
    path.unlink()
    return os.fdopen(os.open(path, flags | os.O_EXCL, 0o666), "wb")


def is_regular(state: os.stat_result) -> bool:
    """Say whether a state is that of an ordinary file."""
    return stat.S_ISREG(state.st_mode)


def require_regular(*paths: Path) -> None:
    """Insist that each of some files of a store is an ordinary file, or is not there.

    Raises
    ------
    StoreError
        One is a link, a folder, a pipe or a device.
    """
    for path in paths:
        try:
            state = path.lstat()
        except (OSError, ValueError):
            continue  # it is for the one who opens it to say what is wrong
        if not is_regular(state):
            raise StoreError(path, f"it is {_kind(path, state)}, not a file of this store", REMEDY)


def require_folder(path: Path) -> None:
    """Insist that a folder within a store is a folder of its own, or is not there.

    Raises
    ------
    StoreError
        It is a link, or a file.
    """
    try:
        state = path.lstat()
    except (OSError, ValueError):
        return
    if not stat.S_ISDIR(state.st_mode):
        raise StoreError(path, f"it is {_kind(path, state)}, not a folder of this store", REMEDY)


def _kind(path: Path, state: os.stat_result) -> str:
    if stat.S_ISLNK(state.st_mode):
        return f"a link (to {os.readlink(path)})"
    if stat.S_ISDIR(state.st_mode):
        return "a folder"
    return "a file" if stat.S_ISREG(state.st_mode) else "a pipe or a device"
