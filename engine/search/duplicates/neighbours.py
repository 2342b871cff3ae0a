"""The nearest images of every image: from the graph if it knows all of them, else searched for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index.catalog.catalog import Catalog
from index.records import Floats, Ids
from index.vectors.graph import STORED, NeighbourGraph
from index.vectors.index import Mask, VectorIndex

# What is cached of a search for all images at most, and how much that is of each: its id, and ids
# and cosines of its neighbours, which it is one of at first.
MOST_CACHED, BYTES = 64 << 20, 8 + 12 * (STORED + 1)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest others of `n` images, best first.

    Attributes
    ----------
    ids
        The images, int64 `[n]`.
    nearest
        int64 `[n, STORED]`, -1 where there are no more.
    cosines
        As the index knows them, float32 `[n, STORED]`, -1 where there are no more.
    """

    ids: Ids
    nearest: Ids
    cosines: Floats


class NeighbourSearch:
    """The nearest images of every image of a catalog, in one state of it.

    Parameters
    ----------
    catalog, index
        What is searched; neither changes meanwhile.
    block
        How many images at a time.
    most_cached
        So many bytes of what was searched for are cached for the next time.
    """

    def __init__(
        self, catalog: Catalog, index: VectorIndex, block: int, *, most_cached: int = MOST_CACHED
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._block = block
        self._most_cached = most_cached
        self._cached: list[Neighbours] | None = None

    def without(self, left_out: Ids, bound: float) -> Iterator[Neighbours]:
        """Yield the nearest images of all but some, among all but these, a block after the other.

        Parameters
        ----------
        left_out
            Ascending, int64.
        bound
            Whoever else has at least this cosine is wanted: where those that are left out may have
            crowded out one of them, an image is searched for again.
        """
        others: Mask | None = None
        for found in self._of_all():
            first = ~np.isin(found.ids, left_out)
            if not first.any():
                continue
            part = Neighbours(found.ids[first], found.nearest[first], found.cosines[first])
            if not len(left_out):
                yield part
                continue
            gone = np.isin(part.nearest, left_out)
            crowded = np.flatnonzero(gone.any(axis=1) & _may_lack(part, gone, bound))
            part = _moved_to_the_end(part, gone)
            if len(crowded):
                # They are left out of a second search, not of the first: a filter slows every
                # query down, and few need it.
                others = others or self._index.mask(np.setdiff1d(self._index.ids, left_out))
                ids, vectors = self._catalog.embeddings.of(part.ids[crowded].tolist())
                again = searched(self._index, ids, vectors.unit, others)
                rows = np.searchsorted(part.ids, again.ids)
                part.nearest[rows], part.cosines[rows] = again.nearest, again.cosines
            yield part

    def _of_all(self) -> Iterator[Neighbours]:
        """Yield the nearest images of all, ascending."""
        graph = self._index.graph
        if graph is not None and _knows_all(graph, self._index):
            yield from _in_graph(graph, self._block)
        elif self._cached is not None:
            yield from self._cached
        else:
            yield from self._searched()

    def _searched(self) -> Iterator[Neighbours]:
        """Yield the same by a search for every image, and cache it where it is not too much."""
        cached, caches = list[Neighbours](), len(self._index) * BYTES <= self._most_cached
        for span in self._catalog.embeddings.spans(self._block):
            stored = self._catalog.embeddings.in_span(span, visible=True)
            unit = stored.packed.vectors.unit
            if len(unit):
                part = searched(self._index, stored.ids, unit, None)
                yield part
                cached += [part] if caches else []
        self._cached = cached if caches else None


def _in_graph(graph: NeighbourGraph, block: int) -> Iterator[Neighbours]:
    arrays = graph.arrays
    for start in range(0, len(graph), block):
        part = slice(start, start + block)
        rows = arrays.neighbours[part]
        # What stands in a file is clipped, not trusted.
        nearest = np.where(rows >= 0, np.take(arrays.ids, rows, mode="clip"), -1)
        cosines = np.nan_to_num(arrays.cosines[part].astype(np.float32), nan=-1.0)
        yield Neighbours(arrays.ids[part], nearest, np.where(rows >= 0, cosines, -1))


def _knows_all(graph: NeighbourGraph, index: VectorIndex) -> bool:
    same_count = len(graph) == len(index) and not len(graph.forgotten)
    return same_count and np.array_equal(graph.arrays.ids, np.sort(index.ids))


def searched(index: VectorIndex, ids: Ids, unit: Floats, mask: Mask | None) -> Neighbours:
    """Return the nearest others of some images by their unit vectors float32 `[n, dim]`."""
    hits = index.search(np.ascontiguousarray(unit), STORED + 1, mask)
    cosines = np.where(hits.ids >= 0, hits.scores, -1).astype(np.float32)
    found = Neighbours(ids, hits.ids, cosines)
    found = _moved_to_the_end(found, hits.ids == ids[:, None])
    return Neighbours(ids, found.nearest[:, :STORED], found.cosines[:, :STORED])


def _may_lack(part: Neighbours, gone: npt.NDArray[np.bool_], bound: float) -> npt.NDArray[np.bool_]:
    """Say which images lack many neighbours, or one that is close enough."""
    many = gone.sum(axis=1) > STORED // 4
    full = part.nearest[:, -1] >= 0
    lacking: npt.NDArray[np.bool_] = full & (many | (part.cosines[:, -1] >= bound))
    return lacking


def _moved_to_the_end(part: Neighbours, gone: npt.NDArray[np.bool_]) -> Neighbours:
    """Return neighbours without some, those that are left still in order."""
    order = np.argsort(gone, axis=1, kind="stable")
    nearest = np.take_along_axis(np.where(gone, -1, part.nearest), order, axis=1)
    cosines = np.take_along_axis(np.where(gone, -1, part.cosines), order, axis=1)
    return Neighbours(part.ids, nearest, cosines)
