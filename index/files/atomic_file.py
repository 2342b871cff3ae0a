"""Files that are there whole or not at all.

A file is written under a temporary name beside its own, flushed to the disk, and renamed. Whatever
ends the process, a reader finds the old content or the new one, never a part. A link under either
name is replaced, and what it leads to stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from index.files.regular_file import make_regular


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when the block ends without an error.

    Raises
    ------
    OSError
        It cannot be written, flushed or renamed; `path` is as it was before.
    """
    temporary = temporary_name(path)
    try:
        with make_regular(temporary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write `content` to `path`, whole or not at all.

    Raises
    ------
    OSError
        It cannot be written; `path` is as it was before.
    """
    with atomic_file(path) as file:
        file.write(content)


def publish(temporary: Path, path: Path) -> None:
    """Let a file that is complete take the place of `path`, in the same folder.

    Raises
    ------
    OSError
        It cannot be flushed or renamed; `path` is as it was before.
    """
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def temporary_name(path: Path) -> Path:
    """Return the name under which this process writes a file that is to become `path`."""
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system can, so that a rename lasts."""
    if os.name != "posix":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
