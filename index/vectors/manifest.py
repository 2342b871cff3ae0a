"""How a file of an index says what it shows, and how it is known to be whole.

A stamp ends the file: which state of which catalog this is, and the checksum of the rest.

    [ ... ][ stamp as JSON ][ its length, 8 bytes ][ magic, 8 bytes ]
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

MAGIC = b"ENGINEIX"
CHUNK_BYTES = 1 << 22
StampT = TypeVar("StampT", "Stamp", "MainStamp")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which state of which catalog the small file shows, and beside which large one."""

    catalog: str
    fingerprint: str
    dim: int
    dtype: str
    count: int
    generation: int
    crc32: int
    main: str = ""
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class MainStamp:
    """Which state of which catalog the large file shows, and how to search it."""

    catalog: str
    fingerprint: str
    dim: int
    dtype: str
    generation: int
    key: str
    total: int
    hidden: int
    trained_on: int
    recall: float
    candidates: int
    gaps: tuple[tuple[int, float], ...]
    faiss_bytes: int
    arrays_at: int
    body_crc32: int
    crc32: int = 0


class Summed:
    """A file that sums what is written to it.

    Parameters
    ----------
    file
        Where to write.
    crc32
        The checksum of what comes before.
    """

    def __init__(self, file: BinaryIO, crc32: int = 0) -> None:
        self._file = file
        self.crc32 = crc32

    def write(self, data: bytes) -> int:
        """Write all of `data`; return how many bytes that were."""
        self.crc32 = zlib.crc32(data, self.crc32)
        return self._file.write(data)


def read_trailer(file: BinaryIO, kind: Callable[..., StampT]) -> tuple[StampT, int]:
    """Return the stamp of a file, and how many bytes lie before it.

    Raises
    ------
    OSError, ValueError, TypeError, KeyError
        There is none, or it cannot be read.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 16))
    tail = file.read(16)
    length = int.from_bytes(tail[:8], "little")
    size = end - 16 - length
    if tail[8:] != MAGIC or size < 0:
        raise ValueError("no stamp")
    file.seek(size)
    return kind(**json.loads(file.read(length))), size


def write_trailer(file: BinaryIO, stamp: Stamp | MainStamp) -> None:
    """End a file with its stamp."""
    body = json.dumps(asdict(stamp)).encode()
    file.write(body + len(body).to_bytes(8, "little") + MAGIC)


def stamp_sum(stamp: Stamp | MainStamp) -> int:
    """Return the checksum of all that a stamp says beside its own."""
    return zlib.crc32(json.dumps(asdict(replace(stamp, crc32=0))).encode())


def checksum(path: Path, size: int, stamp: Stamp | None) -> int:
    """Return the CRC-32 of the first `size` bytes, after all that the stamp says beside it."""
    value = 0 if stamp is None else stamp_sum(stamp)
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(CHUNK_BYTES, size))):
            value = zlib.crc32(chunk, value)
            size -= len(chunk)
    return value
