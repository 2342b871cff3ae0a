"""The flat part of an index: every query is compared with every vector, which is exact.

Its codes are the very bytes that the catalog stores: where that is float16, the search is exact
for what is stored at half the memory traffic of float32. So its file can be written while the
catalog is read, in memory that does not grow with the number of images.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from index.records import Floats, Ids, Rows
from index.vectors.faiss_api import faiss, threads_for

# FAISS writes how many elements an array has before it.
_LENGTH = 8
BLOCK = 8192


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
            self.inner.add_with_ids(np.ascontiguousarray(unit, np.float32), ids)

    def remove(self, ids: Ids) -> None:
        """Drop the vectors of these ids, int64; unknown ids are nothing to drop."""
        if len(ids):
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
            scores, ids = self.inner.search(queries, k, params=parameters)
        return scores, ids

    def blocks(self) -> Iterator[tuple[Ids, Floats]]:
        """Yield all ids and vectors, a block at a time."""
        ids = self.ids
        for start in range(0, len(ids), BLOCK):
            count = min(BLOCK, len(ids) - start)
            yield ids[start : start + count], self.inner.index.reconstruct_n(start, count)


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
