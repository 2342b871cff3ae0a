"""The flat part of an index: every query is compared with every vector, which is exact.

Its codes are the very bytes that the catalog stores: where that is float16, the search is exact
for what is stored at half the memory traffic of float32. So its file can be written while the
catalog is read, in memory that does not grow with the number of images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from index.records import Floats, Ids
from index.vectors.faiss_api import faiss, inner_products, threads_for

BLOCK = 8192
# So many queries at once are worth unpacking all vectors: products of matrices take a third of the
# time, so many unpacked at a time.
MANY_QUERIES, UNPACKED_ROWS = 256, 1024
# What is found of each block is put in order for so many queries at a time.
QUERIES_AT_A_TIME = 4096
# Fewer vectors than these are sooner unpacked than picked out by a selector.
FEW_ROWS = 64


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
                parts = [
                    self._nearest_to_many(queries[start : start + QUERIES_AT_A_TIME], k)
                    for start in range(0, len(queries), QUERIES_AT_A_TIME)
                ]
                scores, ids = map(np.concatenate, zip(*parts, strict=True))
                return scores, ids
            scores, ids = self.inner.search(queries, k, params=parameters)
        return scores, ids

    def _nearest_to_many(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Return what `search` does; of the same score those that came into it first."""
        none = len(self)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        positions = np.full((len(queries), k), none, np.int64)
        start = 0
        for _, unit in self.blocks(UNPACKED_ROWS):
            most = min(k, len(unit))
            products, rows = faiss.knn(queries, unit, most, metric=faiss.METRIC_INNER_PRODUCT)
            products = np.concatenate([scores, np.where(rows >= 0, products, -np.inf)], axis=1)
            found = np.concatenate([positions, np.where(rows >= 0, start + rows, none)], axis=1)
            best = np.lexsort((found, -products), axis=1)[:, :k]
            scores = np.take_along_axis(products, best, axis=1)
            positions = np.take_along_axis(found, best, axis=1)
            start += len(unit)
        there = positions < none
        ids = np.where(there, np.append(self.ids, -1)[positions], -1)
        return np.where(there, scores, -1).astype(np.float32), ids

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
