"""The file of a flat index: written a row at a time, and read piece by piece."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids, Rows
from index.vectors.faiss_api import faiss
from index.vectors.flat import Flat

# FAISS writes how many elements an array has before it.
_LENGTH = 8
# So many vectors of a file are asked for their neighbours at a time, and compared with so many.
ASKED_ROWS, READ_ROWS = 512, 256
CACHED_BYTES = 4 << 20


class FlatFile:
    """The file of a flat index, read piece by piece: however large, a little of it is in memory.

    Parameters
    ----------
    file
        What `write_rows` has written, and perhaps more behind it.
    dim, dtype
        Length of a vector, and what its components are stored as.
    count
        How many there are.
    cached_bytes
        Vectors of so many bytes in all are read once, and stay in memory.
    """

    def __init__(
        self, file: BinaryIO, dim: int, dtype: str, count: int, *, cached_bytes: int = CACHED_BYTES
    ) -> None:
        self._file = file
        self._dim = dim
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._codes_at = len(_head(dim, dtype, count)) + _LENGTH
        file.seek(self._codes_at + count * dim * self._dtype.itemsize + _LENGTH)
        self.ids: Ids = np.frombuffer(file.read(8 * count), np.int64)
        self._order = np.argsort(self.ids, kind="stable")
        small = count * dim * self._dtype.itemsize <= cached_bytes
        self._all = self._read(0, count) if small else None

    def chunks(self, size: int = ASKED_ROWS) -> Iterator[tuple[Ids, Floats]]:
        """Yield ids and vectors float32 `[size, dim]`, in the last piece fewer."""
        for start in range(0, len(self.ids), size):
            yield self.ids[start : start + size], self._rows(start, size)

    def nearest(self, unit: Floats, k: int) -> tuple[Floats, Ids]:
        """Return cosines and ids `[n, k]` of the nearest images, best first, -1 for none."""
        scores = np.full((len(unit), k), -np.inf, np.float32)
        ids = np.full((len(unit), k), -1, np.int64)
        for some, rows in self.chunks(READ_ROWS):
            found = np.concatenate([scores, unit @ rows.T], axis=1)
            named = np.concatenate([ids, np.broadcast_to(some, (len(unit), len(some)))], axis=1)
            best = np.argpartition(-found, k - 1, axis=1)[:, :k]
            scores = np.take_along_axis(found, best, axis=1)
            ids = np.take_along_axis(named, best, axis=1)
        order = np.lexsort((ids, -scores), axis=1)
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)

    def vectors(self, ids: Ids) -> Floats:
        """Return the vectors of images that are in it, float32 `[n, dim]`."""
        positions = self._order[np.searchsorted(self.ids, ids, sorter=self._order)]
        if self._all is not None:
            return self._all[positions].astype(np.float32)
        vectors = np.empty((len(ids), self._dim), np.float32)
        for row, position in enumerate(positions.tolist()):
            vectors[row] = self._rows(position, 1)
        return vectors

    def _rows(self, start: int, count: int) -> Floats:
        stored = self._all
        rows = self._read(start, count) if stored is None else stored[start : start + count]
        return rows.astype(np.float32)

    def _read(self, start: int, count: int) -> npt.NDArray[Any]:
        size = self._dim * self._dtype.itemsize
        self._file.seek(self._codes_at + start * size)
        data = self._file.read(min(count, len(self.ids) - start) * size)
        return np.frombuffer(data, self._dtype).reshape(-1, self._dim)


def write_rows(
    write: Callable[[bytes], object], dim: int, dtype: str, count: int, rows: Iterable[Rows]
) -> None:
    """Write what FAISS would write of a flat index of these rows.

    Parameters
    ----------
    write
        Takes the bytes in their order.
    dim, dtype
        Length of a vector, and what its components are stored as.
    count
        How many rows there will be.
    rows
        Ids and stored vectors, in pieces.

    Raises
    ------
    ValueError
        The rows are not as many, or their vectors not as long.
    """
    size = count * dim * np.dtype(dtype).itemsize
    ids = array("q")
    write(_head(dim, dtype, count))
    # Codes of float32 are counted in components, others in bytes.
    write(_length(size if dtype == "float16" else count * dim))
    for some, blobs in rows:
        ids.frombytes(np.asarray(some, np.int64).tobytes())
        codes = blobs.tobytes() if isinstance(blobs, np.ndarray) else b"".join(blobs)
        size -= len(codes)
        write(codes)
    if len(ids) != count or size:
        raise ValueError(f"{len(ids)} rows where {count} of length {dim} were expected")
    write(_length(count))
    write(ids.tobytes())


def _head(dim: int, dtype: str, count: int) -> bytes:
    """Return what comes before the codes: FAISS writes it for an index that claims to be full."""
    index = Flat.empty(dim, dtype).inner
    index.ntotal = faiss.downcast_index(index.index).ntotal = count
    # Left out are the lengths of codes and ids, both 0.
    return bytes(faiss.serialize_index(index)[: -2 * _LENGTH])


def _length(elements: int) -> bytes:
    return elements.to_bytes(_LENGTH, "little")
