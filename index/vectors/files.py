"""The two files of an index: writing them, and reading them where they are whole.

    index.faiss          the vectors that are compared whole, and the positions hidden in the other
    index.main.faiss     the vectors that were arranged, where there are many; mapped, not read

Both end in a stamp that says which state of which catalog they show (`stamps.py`), and are
written under another name, flushed to the disk, and renamed.

    [ FAISS's own bytes ][ arrays ][ stamp ]

The small file is checked to the last bit at every start. The large one is checked for its length
and its stamp; to read all of it would cost more than the search (`check_main` does).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from index.records import Ids, Rows
from index.vectors.autotune import Autotuned
from index.vectors.faiss_index import VectorIndex
from index.vectors.flat import write_rows
from index.vectors.ivf import Segment
from index.vectors.manifest import (
    MainStamp,
    Stamp,
    Summed,
    checksum,
    read_trailer,
    stamp_sum,
    write_trailer,
)

_ALIGNED = 64


def main_path(path: Path) -> Path:
    """Return where the large file of the index at `path` lies."""
    return path.with_name(f"{path.stem}.main{path.suffix}")


def read_stamp(path: Path) -> Stamp | None:
    """Return the stamp of the small file, None where it is missing or damaged."""
    try:
        with path.open("rb") as file:
            stamp, size = read_trailer(file, Stamp)
        return stamp if checksum(path, size, stamp) == stamp.crc32 else None
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
            _, size = read_trailer(file, Stamp)
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
    stamp = replace(stamp, crc32=checksum(path, path.stat().st_size, stamp))
    with path.open("ab") as file:
        write_trailer(file, stamp)


def write_exact(path: Path, rows: Iterable[Rows], stamp: Stamp) -> None:
    """Write a small file to `path`, as `write_small` does, while its vectors are read.

    Parameters
    ----------
    rows
        Ids and stored vectors of the images, `stamp.count` in all; there is no large file.

    Raises
    ------
    OSError
        It cannot be written.
    ValueError
        The vectors are not as many, or not as long, as the stamp says.
    """
    with path.open("wb") as file:
        body = Summed(file, stamp_sum(stamp))
        write_rows(body.write, stamp.dim, stamp.dtype, stamp.count, rows)
        write_trailer(file, replace(stamp, crc32=body.crc32))


def read_main_stamp(path: Path) -> MainStamp | None:
    """Return the stamp of the large file, None where it is missing, cut off or unreadable."""
    try:
        with path.open("rb") as file:
            stamp, size = read_trailer(file, MainStamp)
        whole = stamp.arrays_at + _array_bytes(stamp) == size
        return stamp if whole and stamp_sum(stamp) == stamp.crc32 else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_main(path: Path, *, mapped: bool = True) -> tuple[Segment, MainStamp] | None:
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
    autotuned = Autotuned(stamp.recall, stamp.candidates, gaps)
    read = Segment(inner, ids, inverse, autotuned, stamp.trained_on, hidden.copy(), key=stamp.key)
    return read, stamp


def write_main(path: Path, main: Segment, state: Stamp) -> None:
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
        body = Summed(file)
        writer = faiss.PyCallbackIOWriter(body.write)  # type: ignore[attr-defined]
        faiss.write_index(main.inner, writer)
        del writer
        faiss_bytes = file.tell()
        body.write(bytes(-faiss_bytes % _ALIGNED))
        arrays_at = file.tell()
        hidden = main.hidden
        for array in (np.asarray(main.ids, np.int64), hidden, main.inverse_lengths):
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
            main.autotuned.recall,
            main.autotuned.candidates,
            main.autotuned.margins,
            faiss_bytes,
            arrays_at,
            body.crc32,
        )
        write_trailer(file, replace(stamp, crc32=stamp_sum(stamp)))


def check_main(path: Path) -> bool:
    """Read the large file whole and say whether every byte is as it was written."""
    stamp = read_main_stamp(path)
    if stamp is None:
        return False
    try:
        size = stamp.arrays_at + _array_bytes(stamp)
        return checksum(path, size, None) == stamp.body_crc32
    except OSError:
        return False


@contextmanager
def temporary_for(path: Path) -> Iterator[Path]:
    """Name a file that is to become the one at `path`; what is left of it at the end is removed."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    # The caller is the only writer, so whatever lies there was left by one that was killed.
    for leftover in path.parent.glob(f"{path.name}.*.tmp"):
        leftover.unlink()
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
