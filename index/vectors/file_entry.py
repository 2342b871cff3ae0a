"""A file of an index as it was written, and whether it still is: by checksum, size and time."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import BinaryIO

from index.files.regular_file import is_regular, open_regular

CHUNK_BYTES = 1 << 18
# Of files of more bytes the next piece is read by a thread while the one before is summed.
PREFETCH_FROM, PREFETCHED_BYTES = 64 << 20, 1 << 20
Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A vector file as it was written.

    Attributes
    ----------
    name
        Without a folder.
    size
        Bytes.
    crc32
        Of all of them.
    mtime_ns
        When it was written, as its file system tells it.
    codes
        Where the largest of its arrays lies, as start and size, None where none is large.
    other_crc32
        Of all but that, None where a release before did not note it.
    """

    name: str
    size: int
    crc32: int
    mtime_ns: int
    codes: tuple[int, int] | None = None
    other_crc32: int | None = None

    def without(self, folder: Path, codes: tuple[int, int] | None) -> FileEntry:
        """Return the same with the sum of all but one array of the file, as it was just written."""
        return replace(self, codes=codes, other_crc32=self._crc32(folder, codes))

    def is_whole(self, folder: Path) -> bool:
        """Read the file and say whether every byte is as it was written."""
        return self._crc32(folder, None) == self.crc32

    def is_sound(self, folder: Path) -> bool:
        """Say the same of all but its codes: of whatever a library could trip over."""
        if self.other_crc32 is None:
            return self.is_whole(folder)
        return self._crc32(folder, self.codes) == self.other_crc32

    def _crc32(self, folder: Path, without: tuple[int, int] | None) -> int | None:
        """Return the sum of the file without one part, None where its size has changed."""
        start, size = without or (self.size, 0)
        spans = ((0, start), (start + size, self.size))
        prefetched = self.size - size > PREFETCH_FROM
        try:
            with open_regular(folder / self.name) as file:
                if os.fstat(file.fileno()).st_size != self.size:
                    return None
                return _sum_prefetched(file, spans) if prefetched else _sum(file, spans)
        except OSError:
            return None

    def is_unchanged(self, folder: Path) -> bool:
        """Say whether the file is as it was written, without reading what nobody has touched."""
        path = folder / self.name
        try:
            found = path.lstat()
        except OSError:
            return False
        if found.st_size != self.size or not is_regular(found):
            return False
        if found.st_mtime_ns == self.mtime_ns:
            return True
        if not self.is_whole(folder):
            return False
        # The next process need not read it again. Who may not note that reads it every time.
        with suppress(OSError):
            os.utime(path, ns=(found.st_atime_ns, self.mtime_ns), follow_symlinks=False)
        return True


def _pieces(file: BinaryIO, spans: Spans, size: int, buffers: int) -> Iterator[memoryview]:
    """Yield what lies in spans of a file; a piece is written over when `buffers` more were read."""
    chunks = cycle([memoryview(bytearray(size)) for _ in range(buffers)])
    for first, end in spans:
        file.seek(first)
        left = end - first
        while left > 0:
            chunk = next(chunks)
            count = file.readinto(chunk[: min(left, size)])  # type: ignore[attr-defined]
            if not count:
                return
            yield chunk[:count]
            left -= count


def _sum(file: BinaryIO, spans: Spans) -> int:
    """Return the sum of spans, in pieces small enough for the processor's cache."""
    value = 0
    for piece in _pieces(file, spans, CHUNK_BYTES, 1):
        value = zlib.crc32(piece, value)
    return value


def _sum_prefetched(file: BinaryIO, spans: Spans) -> int:
    """Return the sum of spans, while another thread reads the next piece."""
    from concurrent.futures import ThreadPoolExecutor

    value, pieces = 0, _pieces(file, spans, PREFETCHED_BYTES, 2)
    with ThreadPoolExecutor(1) as pool:
        try:
            coming = pool.submit(next, pieces, None)
        except RuntimeError:  # there may be no more threads
            return _sum(file, spans)
        while (piece := coming.result()) is not None:
            coming = pool.submit(next, pieces, None)
            value = zlib.crc32(piece, value)
    return value
