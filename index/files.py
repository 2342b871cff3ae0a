"""The two files of an index, and how they are known to be whole.

    index.faiss          the vectors that are compared whole, and the positions hidden in the other
    index.main.faiss     the vectors that were arranged, where there are many; mapped, not read

Both end in a stamp that says which state of which catalog they show, and are written under
another name, flushed to the disk, and renamed.

    [ FAISS's own bytes ][ arrays ][ stamp as JSON ][ its length, 8 bytes ][ magic, 8 bytes ]

The small file is checked to the last bit at every start. The large one is checked for its length
and its stamp; to read all of it would cost more than the search (`check_main` does).
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import faiss
import numpy as np

from index.compressed import CompressedVectors
from index.records import Ids
from index.tuning import Tuning
from index.vectors import VectorIndex

MAGIC = b"ENGINEIX"
CHUNK_BYTES = 1 << 22
_ALIGNED = 64
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


def main_path(path: Path) -> Path:
    """Return where the large file of the index at `path` lies."""
    return path.with_name(f"{path.stem}.main{path.suffix}")


def read_stamp(path: Path) -> Stamp | None:
    """Return the stamp of the small file, None where it is missing or damaged."""
    try:
        with path.open("rb") as file:
            stamp, size = _read_trailer(file, Stamp)
        return stamp if _checksum(path, size, stamp) == stamp.crc32 else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_small(path: Path) -> tuple[VectorIndex, Ids, Stamp] | None:
    """Return the vectors compared whole and the hidden positions, None where they are unusable."""
    stamp = read_stamp(path)
    if stamp is None:
        return None
    try:
        vectors = VectorIndex.read(path)
        with path.open("rb") as file:
            _, size = _read_trailer(file, Stamp)
            file.seek(size - 8 * stamp.hidden)
            hidden = np.frombuffer(file.read(8 * stamp.hidden), np.int64)
    except (OSError, RuntimeError, ValueError):
        return None
    return (vectors, hidden, stamp) if vectors.dim == stamp.dim else None


def write_small(path: Path, vectors: VectorIndex, stamp: Stamp) -> None:
    """Write the small file to `path`, which is not yet its name.

    Raises
    ------
    OSError, RuntimeError
        It cannot be written.
    """
    vectors.write(path)
    hidden = vectors.main.hidden if vectors.main is not None else np.zeros(0, np.int64)
    stamp = replace(stamp, hidden=len(hidden), crc32=0)
    with path.open("ab") as file:
        file.write(hidden.tobytes())
    stamp = replace(stamp, crc32=_checksum(path, path.stat().st_size, stamp))
    with path.open("ab") as file:
        _write_trailer(file, stamp)


def read_main_stamp(path: Path) -> MainStamp | None:
    """Return the stamp of the large file, None where it is missing, cut off or unreadable."""
    try:
        with path.open("rb") as file:
            stamp, size = _read_trailer(file, MainStamp)
        whole = stamp.arrays_at + _array_bytes(stamp) == size
        return stamp if whole and _stamp_sum(stamp) == stamp.crc32 else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_main(path: Path, *, mapped: bool = True) -> tuple[CompressedVectors, MainStamp] | None:
    """Return the arranged vectors, None where the file is unusable.

    Parameters
    ----------
    mapped
        Leave them on the disk until they are looked at. Otherwise they are read, and can be
        added to.
    """
    stamp = read_main_stamp(path)
    if stamp is None:
        return None
    try:
        inner = _read_faiss(path, mapped)
        ids, inverse, hidden = _read_arrays(path, stamp)
    except (OSError, RuntimeError, ValueError, MemoryError):
        return None
    if not isinstance(inner, faiss.IndexRefine) or (inner.d, inner.ntotal) != (
        stamp.dim,
        stamp.total,
    ):
        return None
    gaps = tuple((int(depth), float(gap)) for depth, gap in stamp.gaps)
    tuning = Tuning(stamp.recall, stamp.candidates, gaps)
    read = CompressedVectors(
        inner, ids, inverse, tuning, stamp.trained_on, hidden.copy(), key=stamp.key
    )
    return read, stamp


def write_main(path: Path, main: CompressedVectors, state: Stamp) -> None:
    """Write the large file to `path`, which is not yet its name.

    Parameters
    ----------
    state
        The state of the catalog that it shows.

    Raises
    ------
    OSError, RuntimeError
        It cannot be written.
    """
    with path.open("wb") as file:
        body = _Summed(file)
        writer = faiss.PyCallbackIOWriter(body.write)  # type: ignore[attr-defined]
        faiss.write_index(main.inner, writer)
        del writer
        faiss_bytes = file.tell()
        body.write(bytes(-faiss_bytes % _ALIGNED))
        arrays_at = file.tell()
        hidden = main.hidden
        for array in (np.asarray(main.ids, np.int64), hidden, main.inverse):
            body.write(np.ascontiguousarray(array).tobytes())
        stamp = MainStamp(
            state.catalog,
            state.fingerprint,
            state.dim,
            state.dtype,
            state.generation,
            main.key,
            main.total,
            len(hidden),
            main.trained_on,
            main.tuning.recall,
            main.tuning.candidates,
            main.tuning.gaps,
            faiss_bytes,
            arrays_at,
            body.crc32,
        )
        _write_trailer(file, replace(stamp, crc32=_stamp_sum(stamp)))


def check_main(path: Path) -> bool:
    """Read the large file whole and say whether every byte is as it was written."""
    stamp = read_main_stamp(path)
    if stamp is None:
        return False
    try:
        size = stamp.arrays_at + _array_bytes(stamp)
        return _checksum(path, size, None) == stamp.body_crc32
    except OSError:
        return False


def put(temporary: Path, path: Path) -> None:
    """Flush a file that was written under another name to the disk, and give it its own.

    Raises
    ------
    OSError
        That cannot be done.
    """
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class _Summed:
    """A file that sums what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.crc32 = 0

    def write(self, data: bytes) -> int:
        self.crc32 = zlib.crc32(data, self.crc32)
        return self._file.write(data)


def _read_faiss(path: Path, mapped: bool) -> Any:
    try:
        name = os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        name = ""
    if mapped and name:
        return faiss.read_index(name, faiss.IO_FLAG_MMAP_IFC)
    # FAISS takes no path with undecodable bytes; such a file is read instead of mapped.
    with path.open("rb") as file:
        return faiss.read_index(faiss.PyCallbackIOReader(file.read))  # type: ignore[attr-defined]


def _array_bytes(stamp: MainStamp) -> int:
    return 8 * stamp.total + 8 * stamp.hidden + 4 * stamp.total


def _read_arrays(path: Path, stamp: MainStamp) -> tuple[Any, Any, Any]:
    arrays = []
    place = stamp.arrays_at
    for dtype, count in (
        (np.int64, stamp.total),
        (np.int64, stamp.hidden),
        (np.float32, stamp.total),
    ):
        arrays.append(_mapped(path, np.dtype(dtype), place, count))
        place += np.dtype(dtype).itemsize * count
    ids, hidden, inverse = arrays
    return ids, inverse, hidden


def _mapped(path: Path, dtype: np.dtype[Any], place: int, count: int) -> Any:
    if not count:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, mode="r", offset=place, shape=(count,))


def _read_trailer(file: BinaryIO, kind: Callable[..., StampT]) -> tuple[StampT, int]:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 16))
    tail = file.read(16)
    length = int.from_bytes(tail[:8], "little")
    size = end - 16 - length
    if tail[8:] != MAGIC or size < 0:
        raise ValueError("no stamp")
    file.seek(size)
    return kind(**json.loads(file.read(length))), size


def _write_trailer(file: BinaryIO, stamp: Stamp | MainStamp) -> None:
    body = json.dumps(asdict(stamp)).encode()
    file.write(body + len(body).to_bytes(8, "little") + MAGIC)


def _stamp_sum(stamp: Stamp | MainStamp) -> int:
    return zlib.crc32(json.dumps(asdict(replace(stamp, crc32=0))).encode())


def _checksum(path: Path, size: int, stamp: Stamp | None) -> int:
    """Return the CRC-32 of the first `size` bytes, after all that the stamp says beside it."""
    value = 0 if stamp is None else _stamp_sum(stamp)
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(CHUNK_BYTES, size))):
            value = zlib.crc32(chunk, value)
            size -= len(chunk)
    return value
