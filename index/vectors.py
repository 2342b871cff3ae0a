"""The FAISS index: every visible embedding of the catalog, arranged for search.

Exact for now: each query is compared with every vector. Where the catalog stores float16 the
index holds the same float16 numbers, so it is exact for what is stored at half the memory traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from index.records import Floats, Ids


@dataclass(frozen=True, slots=True)
class Hits:
    """The nearest images of each of `n` queries, best first.

    Attributes
    ----------
    scores
        float32 `[n, k]`, cosine similarity, in -1 to 1.
    ids
        int64 `[n, k]`, image ids; -1 where fewer than `k` images exist.
    """

    scores: Floats
    ids: Ids


class VectorIndex:
    """Unit vectors under the ids of their images.

    Parameters
    ----------
    inner
        A FAISS index that maps ids, with inner product as its metric.
    """

    def __init__(self, inner: faiss.IndexIDMap2) -> None:
        self._inner = inner

    @classmethod
    def empty(cls, dim: int, dtype: str) -> VectorIndex:
        """Make an index with nothing in it, of the numbers the catalog stores."""
        flat: faiss.Index
        if dtype == "float16":
            flat = faiss.IndexScalarQuantizer(
                dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
            )
        else:
            flat = faiss.IndexFlatIP(dim)
        return cls(faiss.IndexIDMap2(flat))

    @classmethod
    def read(cls, path: Path) -> VectorIndex:
        """Read a file that `write` made.

        Raises
        ------
        OSError
            The file cannot be read.
        RuntimeError
            FAISS cannot make sense of it.
        """
        # Python opens the file: FAISS itself takes no path with undecodable bytes.
        with path.open("rb") as file:
            reader = faiss.PyCallbackIOReader(file.read)  # type: ignore[attr-defined]
            inner = faiss.read_index(reader)
        if not isinstance(inner, faiss.IndexIDMap2):
            raise RuntimeError(f"{path} holds another kind of index")
        return cls(inner)

    def write(self, path: Path) -> None:
        """Write the index to `path`.

        Raises
        ------
        OSError, RuntimeError
            The file cannot be written.
        """
        with path.open("wb") as file:
            writer = faiss.PyCallbackIOWriter(file.write)  # type: ignore[attr-defined]
            faiss.write_index(self._inner, writer)

    def __len__(self) -> int:
        return int(self._inner.ntotal)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._inner.d)

    @property
    def kind(self) -> str:
        """What arrangement is in use, for people."""
        flat = faiss.downcast_index(self._inner.index)
        return "exact float32" if isinstance(flat, faiss.IndexFlat) else "exact float16"

    @property
    def ids(self) -> Ids:
        """All ids in it, int64 `[n]`."""
        return faiss.vector_to_array(self._inner.id_map).astype(np.int64)

    def add(self, ids: Ids, unit: Floats) -> None:
        """Add vectors `[n, dim]` under ids it does not hold yet."""
        if len(ids):
            self._inner.add_with_ids(np.ascontiguousarray(unit, np.float32), ids)

    def remove(self, ids: Ids) -> None:
        """Drop the vectors of these ids; unknown ids are nothing to drop."""
        if len(ids):
            self._inner.remove_ids(faiss.IDSelectorBatch(np.ascontiguousarray(ids, np.int64)))

    def search(self, queries: Floats, k: int, allowed: Ids | None = None) -> Hits:
        """Find the nearest images of each query.

        Parameters
        ----------
        queries
            Unit vectors, float32 `[n, dim]`.
        k
            How many to find.
        allowed
            Only these ids may be found; the filter runs inside the search, so `k` are found
            wherever `k` of them exist.

        Returns
        -------
        Hits
            Scores and ids `[n, k]`.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if not len(self) or (allowed is not None and not len(allowed)):
            shape = (len(queries), k)
            return Hits(np.full(shape, -1, np.float32), np.full(shape, -1, np.int64))
        parameters = None
        if allowed is not None:
            # FAISS keeps no reference to the selector: it must outlive the call by this name.
            selector = faiss.IDSelectorBatch(np.ascontiguousarray(allowed, np.int64))
            parameters = faiss.SearchParameters()
            parameters.sel = selector
        scores, ids = self._inner.search(queries, k, params=parameters)
        return Hits(np.clip(scores, -1, 1), ids)
