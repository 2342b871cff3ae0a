"""The flat part of an index: every query is compared with every vector, which is exact.

Its codes are the very bytes that the catalog stores: where that is float16, the search is exact
for what is stored at half the memory traffic of float32. So its file can be written while the
catalog is read, in memory that does not grow with the number of images.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids, Rows
from index.vectors.faiss_api import faiss, inner_products, threads_for

# FAISS writes how many elements an array has before it.
_LENGTH = 8
BLOCK = 8192
# So many queries at once are worth unpacking all vectors: products of matrices take a third of the
# time, so many unpacked at a time.
MANY_QUERIES, UNPACKED_ROWS = 256, 1024
# Fewer vectors than these are sooner unpacked than picked out by a selector.
FEW_ROWS = 64
# So many vectors of a file are asked for their neighbours at a time, and compared with so many.
ASKED_ROWS, READ_ROWS = 512, 256
CACHED_BYTES = 4 << 20


class Flat:
    """Vectors under the ids of their images, compared one by one.

    Parameters
    ----------
    inner
        `faiss.IndexIDMap2` over a flat index of float32 or float16, with inner products.

    Raises
    ------
    ValueError
        It is another kind of index.
    """

    def __init__(self, inner: Any) -> None:
        if not isinstance(inner, faiss.IndexIDMap2):
            raise ValueError(f"{type(inner).__name__} is no flat index under ids")
        self.inner = inner
        self._order: tuple[Ids, Ids] | None = None

    @classmethod
    def empty(cls, dim: int, dtype: str) -> Flat:
        """Make one with nothing in it, of the components that the catalog stores."""
        if dtype == "float16":
            kind = faiss.ScalarQuantizer.QT_fp16
            flat = faiss.IndexScalarQuantizer(dim, kind, faiss.METRIC_INNER_PRODUCT)
        else:
            flat = faiss.IndexFlatIP(dim)
        return cls(faiss.IndexIDMap2(flat))

    def __len__(self) -> int:
        return int(self.inner.ntotal)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.inner.d)

    @property
    def dtype(self) -> str:
        """What its components are: `float32` or `float16`."""
        flat = faiss.downcast_index(self.inner.index)
        return "float32" if isinstance(flat, faiss.IndexFlat) else "float16"

    @property
    def ids(self) -> Ids:
        """All ids in it, int64 `[n]`."""
        return np.asarray(faiss.vector_to_array(self.inner.id_map), np.int64)

    def add(self, ids: Ids, unit: Floats) -> None:
        """Add vectors `[n, dim]` under ids that it does not hold."""
        if len(ids):
            self._order = None
            self.inner.add_with_ids(np.ascontiguousarray(unit, np.float32), ids)

    def remove(self, ids: Ids) -> None:
        """Drop the vectors of these ids, int64; unknown ids are nothing to drop."""
        if len(ids):
            self._order = None
            self.inner.remove_ids(faiss.IDSelectorBatch(ids))

    def search(self, queries: Floats, k: int, selector: Any | None = None) -> tuple[Floats, Ids]:
        """Return scores float32 and ids int64 `[n, k]`, best first; -1 where there is nothing.

        Parameters
        ----------
        queries
            Unit vectors, float32 `[n, dim]`, contiguous.
        selector
            FAISS's selector of the ids that may be found, None for all.
        """
        if not len(self):
            shape = (len(queries), k)
            return np.full(shape, -1, np.float32), np.full(shape, -1, np.int64)
        parameters = None
        if selector is not None:
            parameters = faiss.SearchParameters()
            parameters.sel = selector
        with threads_for(len(queries)):
            if selector is None and len(queries) >= MANY_QUERIES:
                return self._nearest_to_many(queries, k)
            scores, ids = self.inner.search(queries, k, params=parameters)
        return scores, ids

    def _nearest_to_many(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Return what `search` does; of the same score those that came into it first."""
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        for some, unit in self.blocks(UNPACKED_ROWS):
            products, rows = faiss.knn(
                queries, unit, min(k, len(some)), metric=faiss.METRIC_INNER_PRODUCT
            )
            products = np.concatenate([scores, np.where(rows >= 0, products, -np.inf)], axis=1)
            found = np.concatenate([ids, np.where(rows >= 0, some[rows], -1)], axis=1)
            best = np.argsort(-products, axis=1, kind="stable")[:, :k]
            scores = np.take_along_axis(products, best, axis=1)
            ids = np.take_along_axis(found, best, axis=1)
        return np.where(ids >= 0, scores, -1).astype(np.float32), ids

    def positions_of(self, ids: Ids) -> Ids:
        """Return the position of each image, int64 `[n]`, -1 where it is not in it."""
        if not len(self):
            return np.full(len(ids), -1, np.int64)
        if self._order is None:
            order = np.argsort(self.ids, kind="stable")
            self._order = self.ids[order], order
        ascending, order = self._order
        found = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
        return np.where(ascending[found] == ids, order[found], -1)

    def vectors(self, positions: Ids) -> Floats:
        """Return the vectors at positions, float32 `[n, dim]`."""
        if not len(positions):
            return np.zeros((0, self.dim), np.float32)
        flat, size = faiss.downcast_index(self.inner.index), self.dim * len(self)
        if self.dtype == "float32":
            stored = faiss.rev_swig_ptr(flat.get_xb(), size).reshape(len(self), self.dim)
            return np.asarray(stored[positions], np.float32)
        stored = faiss.rev_swig_ptr(flat.codes.data(), 2 * size).reshape(len(self), 2 * self.dim)
        # FAISS unpacks float16 several times sooner than NumPy can.
        with threads_for(1):
            rows: Floats = flat.sa_decode(stored[positions])
        return rows

    def products(self, positions: Ids, query: Floats, few: int = FEW_ROWS) -> Floats:
        """Return the inner products of a query with the vectors at positions, float32 `[n]`.

        Of many vectors FAISS compares the codes where they lie, which takes a tenth of the time to
        copy and unpack them.

        Parameters
        ----------
        positions
            Each once, int64 `[n]`.
        query
            float32 `[dim]`, contiguous.
        few
            Up to so many are unpacked.
        """
        if len(positions) <= few:
            return inner_products(self.vectors(positions), query)
        total, parameters = len(self), faiss.SearchParameters()
        # FAISS does not own the bits: they stay until the search has ended.
        bits = np.zeros(total, np.bool_)
        bits[positions] = True
        packed = np.packbits(bits, bitorder="little")
        if len(positions) < total:
            parameters.sel = faiss.IDSelectorBitmap(packed)
        with threads_for(1):
            scores, found = self.inner.index.search(query[None], len(positions), params=parameters)
        products = np.full(total, -1, np.float32)
        # What is no number is not found.
        there = found[0] >= 0
        products[found[0][there]] = scores[0][there]
        return products[positions]

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[Ids, Floats]]:
        """Yield all ids and vectors, a block at a time."""
        ids = self.ids
        for start in range(0, len(ids), size):
            count = min(size, len(ids) - start)
            yield ids[start : start + count], self.inner.index.reconstruct_n(start, count)


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
        ids.extend(some)
        codes = b"".join(blobs)
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
