"""Small files in the user's cache, as many as there is room for; losing one costs time only."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

# Each file begins with the hash of the rest: one that was cut off, or changed, is none.
HASH_BYTES = hashlib.sha256().digest_size
# After so much of the room is written anew, the folder is counted again: others write there, too.
SLACK = 1 / 16
# What is younger may still be written.
ABANDONED_SECONDS = 3600.0
# A file that is read is noted as used, once in this time.
TOUCH_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _File:
    used: float
    size: int
    path: str


class DiskCache:
    """Contents by name in a folder; those that were not used for longest go first.

    For any number of threads, and processes that share the folder. Nothing that the disk does is an
    error: what cannot be written is not there the next time.

    Parameters
    ----------
    folder
        Where; made when first written to, for this user alone.
    most
        Bytes of all files, 0 for none.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._lock = Lock()
        # As if all room had been written: what earlier processes have left is counted first.
        self._uncounted = most

    def read(self, name: str) -> bytes | None:
        """Return what was written by this name, None where it is not there or not whole.

        Parameters
        ----------
        name
            Of letters, digits and `-`.
        """
        if not self._most:
            return None
        path = self._path(name)
        with suppress(OSError):
            content = path.read_bytes()
            data = content[HASH_BYTES:]
            if content[:HASH_BYTES] == hashlib.sha256(data).digest():
                self._touch(path)
                return data
            path.unlink()
        return None

    def write(self, name: str, data: bytes) -> None:
        """Write this, and take away what there is no room for any more."""
        if len(data) + HASH_BYTES > self._most:
            return
        path = self._path(name)
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._replace(path, hashlib.sha256(data).digest() + data)
            self._count(len(data) + HASH_BYTES)

    def remove(self, name: str) -> None:
        """Take this away."""
        with suppress(OSError):
            self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _replace(self, path: Path, content: bytes) -> None:
        opened, temporary = tempfile.mkstemp(".tmp", dir=path.parent)
        try:
            with os.fdopen(opened, "wb") as file:
                file.write(content)
            # Not flushed to the disk: what a power cut leaves of it is known by its hash.
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def _touch(self, path: Path) -> None:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > TOUCH_SECONDS:
                os.utime(path)

    def _count(self, size: int) -> None:
        with self._lock:
            self._uncounted += size
            if self._uncounted <= SLACK * self._most:
                return
            self._uncounted = 0
            self._evict()

    def _evict(self) -> None:
        """Leave so many files that there is room for as much as is written until the next time."""
        files = sorted(self._files(), key=lambda file: file.used)
        over = sum(file.size for file in files) - int((1 - SLACK) * self._most)
        for file in files:
            if over <= 0:
                return
            with suppress(OSError):
                os.unlink(file.path)
                over -= file.size

    def _files(self) -> Iterator[_File]:
        """Yield all files; one that nobody has finished to write is as old as can be."""
        now = time.time()
        for folder in _entries(self._folder):
            for entry in _entries(folder.path):
                with suppress(OSError):
                    state = entry.stat(follow_symlinks=False)
                    left = entry.name.endswith(".tmp") and now - state.st_mtime > ABANDONED_SECONDS
                    yield _File(0.0 if left else state.st_mtime, state.st_size, entry.path)


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as found:
        return list(found)
    return []
