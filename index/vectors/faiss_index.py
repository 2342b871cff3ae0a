"""The index: every visible embedding of the catalog, arranged for search.

A small catalog is compared whole, which is exact; where the catalog stores float16 the index
holds the same float16 numbers, so it is exact for what is stored at half the memory traffic. A
large catalog is arranged once (`index/vectors/ivf.py`), and what has come since is compared whole
beside it, until there is enough of that to be arranged, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from index.records import Floats, Ids
from index.vectors.faiss_api import threads_for
from index.vectors.flat import empty_exact
from index.vectors.ivf import Segment
from index.vectors.mask import SegmentMask

BLOCK = 8192


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


@dataclass(frozen=True, slots=True)
class Allowed:
    """A filter made ready for an index; it holds until the index changes.

    Attributes
    ----------
    count
        How many ids were named.
    selector
        They, for FAISS; it must outlive every search with it.
    within
        Their positions among the arranged vectors.
    """

    count: int
    selector: faiss.IDSelectorBatch
    within: SegmentMask | None


class VectorIndex:
    """Unit vectors under the ids of their images.

    Parameters
    ----------
    exact
        A FAISS index that maps ids, with inner product as its metric, compared whole.
    main
        The vectors that were arranged, where there are many. An id is never in both.
    """

    def __init__(self, exact: faiss.IndexIDMap2, main: Segment | None = None) -> None:
        self._exact = exact
        self.main = main

    @classmethod
    def empty(cls, dim: int, dtype: str, main: Segment | None = None) -> VectorIndex:
        """Make an index with nothing in it but `main`, of the numbers the catalog stores."""
        return cls(empty_exact(dim, dtype), main)

    @classmethod
    def read(cls, path: Path) -> VectorIndex:
        """Read the exact part from a file that `write` made.

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
            exact = faiss.read_index(reader)
        if not isinstance(exact, faiss.IndexIDMap2):
            raise RuntimeError(f"{path} holds another kind of index")
        return cls(exact)

    def write(self, path: Path) -> None:
        """Write the exact part to `path`.

        Raises
        ------
        OSError, RuntimeError
            The file cannot be written.
        """
        with path.open("wb") as file:
            writer = faiss.PyCallbackIOWriter(file.write)  # type: ignore[attr-defined]
            faiss.write_index(self._exact, writer)

    def __len__(self) -> int:
        return self.fresh + (len(self.main) if self.main is not None else 0)

    @property
    def fresh(self) -> int:
        """How many vectors are compared whole."""
        return int(self._exact.ntotal)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._exact.d)

    @property
    def kind(self) -> str:
        """What arrangement is in use, for people."""
        flat = faiss.downcast_index(self._exact.index)
        exact = "exact float32" if isinstance(flat, faiss.IndexFlat) else "exact float16"
        if self.main is None:
            return exact
        return f"{self.main.kind}; {self.fresh} new ones {exact}" if self.fresh else self.main.kind

    @property
    def recall(self) -> float:
        """Share of the 10 nearest images that a search finds, as measured when it was built."""
        return 1.0 if self.main is None else self.main.autotuned.recall

    @property
    def ids(self) -> Ids:
        """All ids in it, int64 `[n]`."""
        exact = faiss.vector_to_array(self._exact.id_map).astype(np.int64)
        return exact if self.main is None else np.concatenate([self.main.visible_ids, exact])

    def add(self, ids: Ids, unit: Floats) -> None:
        """Add vectors `[n, dim]` under ids it does not hold yet."""
        if len(ids):
            self._exact.add_with_ids(np.ascontiguousarray(unit, np.float32), ids)

    def remove(self, ids: Ids) -> None:
        """Drop the vectors of these ids; unknown ids are nothing to drop."""
        if len(ids):
            ids = np.ascontiguousarray(ids, np.int64)
            self._exact.remove_ids(faiss.IDSelectorBatch(ids))
            if self.main is not None:
                self.main.hide(ids)

    def fresh_blocks(self) -> Iterator[tuple[Ids, Floats]]:
        """Yield the vectors that are compared whole, with their ids, a block at a time."""
        ids = faiss.vector_to_array(self._exact.id_map).astype(np.int64)
        for start in range(0, len(ids), BLOCK):
            count = min(BLOCK, len(ids) - start)
            yield ids[start : start + count], self._exact.index.reconstruct_n(start, count)

    def warm_up(self) -> None:
        """Read what is mapped from a file, for a process that will go on searching.

        Takes some tenths of a second for a million images that the system still holds in memory,
        and as long as the disk takes where it does not.
        """
        if self.main is not None:
            self.main.warm_up(lambda: False)

    def allow(self, ids: Ids) -> Allowed:
        """Make a filter ready that lets only these ids be found."""
        ids = np.ascontiguousarray(ids, np.int64)
        within = None if self.main is None else self.main.mask(ids)
        return Allowed(len(ids), faiss.IDSelectorBatch(ids), within)

    def search(self, queries: Floats, k: int, allowed: Ids | Allowed | None = None) -> Hits:
        """Find the nearest images of each query.

        Parameters
        ----------
        queries
            Unit vectors, float32 `[n, dim]`.
        k
            How many to find.
        allowed
            Only these ids may be found; the filter runs inside the search, so `k` are found
            wherever `k` of them exist. `allow` makes one for many searches.

        Returns
        -------
        Hits
            Scores and ids `[n, k]`.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if isinstance(allowed, np.ndarray):
            allowed = self.allow(allowed)
        scores, ids = self._search_exact(queries, k, allowed)
        if self.main is not None:
            within = None if allowed is None else allowed.within
            more_scores, more_ids = self.main.search(queries, k, within)
            scores, ids = _best(k, (more_scores, scores), (more_ids, ids))
        return Hits(np.clip(scores, -1, 1), ids)

    def _search_exact(self, queries: Floats, k: int, allowed: Allowed | None) -> tuple[Floats, Ids]:
        if not self.fresh or (allowed is not None and not allowed.count):
            shape = (len(queries), k)
            return np.full(shape, -1, np.float32), np.full(shape, -1, np.int64)
        parameters = None
        if allowed is not None:
            parameters = faiss.SearchParameters()
            parameters.sel = allowed.selector
        with threads_for(len(queries)):
            scores, ids = self._exact.search(queries, k, params=parameters)
        return scores, ids


def _best(k: int, scores: tuple[Floats, Floats], ids: tuple[Ids, Ids]) -> tuple[Floats, Ids]:
    """Return the `k` best of two answers; what is nothing comes last."""
    all_scores, all_ids = np.concatenate(scores, axis=1), np.concatenate(ids, axis=1)
    ranked = np.where(all_ids >= 0, all_scores, -np.inf)
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(all_scores, order, axis=1), np.take_along_axis(all_ids, order, axis=1)
