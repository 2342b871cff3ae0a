"""Probing: IVF lists of short codes, of which those nearest to the query are scanned.

A vector is projected onto the main directions and lies in the list of its nearest centroid, as
the product quantization of what remains (Jegou et al., "Product Quantization for Nearest Neighbor
Search", 2011), 4 bits for every 2 directions, so that a query's tables fit into registers (Andre
et al., "Quicker ADC", 2019). For inner products these tables are the same for every list.

Which lists are probed is a matter of similarity, not of number: all whose centroid is at most the
*probe margin* less similar than the nearest one. A query in the middle of a cluster needs few of
them, one between many clusters needs many; a fixed number would be too many for most and too few
for some.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from index.records import Floats, Ids
from index.vectors.faiss_api import faiss, inner_products, product_with, threads_for

MOST_LISTS = 1 << 31
# FAISS's ways of scanning: for few queries one after the other, for many list by list. The first
# keeps the best in a heap: what a mask forbids is asked about only if it would come into it.
FEW_QUERIES, ONE_BY_ONE, LIST_BY_LIST = 4, 10, 13
# A query unlike everything has hundreds of lists about equally near, and little to lose.
LEAST_PROBES, PROBED_SHARE, MEASURED_DEPTH = 256, 4, 1000
# A margin beyond every difference of two cosines: every list is probed.
MAX_MARGIN = 4.0


@dataclass(frozen=True, slots=True)
class Probes:
    """The lists that each of `n` queries probes.

    Attributes
    ----------
    lists
        int64 `[n, most]`, -1 where a query needs fewer than another.
    scores
        Inner products with their centroids, float32 `[n, most]`.
    """

    lists: Ids
    scores: Floats

    def of(self, query: int) -> Ids:
        """Return the lists of one query, int64."""
        row = self.lists[query]
        return np.asarray(row[row >= 0], np.int64)


class InvertedLists:
    """Short codes of vectors in IVF lists, at the positions they were added at.

    Parameters
    ----------
    projected
        `faiss.IndexPreTransform`: a projection over a `faiss.IndexIVFPQFastScan`.
    """

    def __init__(self, projected: Any) -> None:
        self._index = projected
        self._projection = faiss.downcast_VectorTransform(projected.chain.at(0))
        self._lists = faiss.downcast_index(projected.index)
        self._quantizer = faiss.downcast_index(self._lists.quantizer)
        self._list_of: Ids | None = None
        self._all_centroids: Any | None = None

    def __len__(self) -> int:
        return int(self._lists.nlist)

    @property
    def name(self) -> str:
        """What they are, as FAISS's factory calls them."""
        return f"IVF{len(self)}, PQ{self._lists.pq.M}x{self._lists.pq.nbits}fs"

    @property
    def list_of(self) -> Ids:
        """The list that each position lies in, int64 `[total]`."""
        if self._list_of is None:
            inverted = self._lists.invlists
            found = np.zeros(int(self._lists.ntotal), np.int64)
            for number in range(len(self)):
                if size := inverted.list_size(number):
                    found[faiss.rev_swig_ptr(inverted.get_ids(number), size)] = number
            self._list_of = found
        return self._list_of

    def project(self, rotated: Floats) -> Floats:
        """Return rotated vectors on the main directions, float32 `[n, scan_dim]`."""
        with threads_for(len(rotated)):
            projected: Floats = self._projection.apply(rotated)
        return projected

    def most_probes(self, depth: float) -> int:
        """Return how many lists at most are worth probing for the nearest `depth` images."""
        share = max(LEAST_PROBES, len(self) // PROBED_SHARE)
        return int(share * max(1.0, depth / MEASURED_DEPTH))

    def probe(self, projected: Floats, margin: float, most: int = MOST_LISTS) -> Probes:
        """Return the lists whose centroids are at most `margin` less similar than the nearest.

        Parameters
        ----------
        projected
            float32 `[n, scan_dim]`.
        margin
            A difference of two inner products.
        most
            The nearest so many are enough.
        """
        scores = self._centroid_scores(projected)
        wanted = scores >= scores.max(axis=1, keepdims=True, initial=-np.inf) - margin
        if most < len(self):
            for row in np.flatnonzero(wanted.sum(axis=1) > most):
                wanted[row] &= scores[row] >= np.partition(scores[row], -most)[-most]
        rows, lists = np.nonzero(wanted)
        counts = np.bincount(rows, minlength=len(projected))
        shape = (len(projected), int(counts.max(initial=1)))
        probes = Probes(np.full(shape, -1, np.int64), np.zeros(shape, np.float32))
        columns = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        probes.lists[rows, columns] = lists
        probes.scores[rows, columns] = scores[rows, lists]
        return probes

    def margins_needed(self, projected: Floats, positions: Ids) -> Floats:
        """Return the margin with which the list of each position is probed, float32 `[n, depth]`.

        Parameters
        ----------
        projected
            float32 `[n, scan_dim]`.
        positions
            int64 `[n, depth]`.
        """
        scores = self._centroid_scores(projected)
        inside = np.take_along_axis(scores, self.list_of[positions], axis=1)
        return np.asarray(scores.max(axis=1, keepdims=True) - inside, np.float32)

    def scan(self, projected: Floats, probes: Probes, k: int, selector: Any | None) -> Ids:
        """Return the best `k` positions of each query by short codes, int64 `[n, k]`, -1 for none.

        Parameters
        ----------
        selector
            FAISS's selector of the positions that may be found, None for all.
        """
        count, most = probes.lists.shape
        scores = np.empty((count, k), np.float32)
        positions = np.empty((count, k), np.int64)
        parameters = faiss.SearchParametersIVF(nprobe=most, sel=selector)
        # Threads may set it beside each other: FAISS reads it once, and either way finds the same.
        self._lists.implem = ONE_BY_ONE if count < FEW_QUERIES else LIST_BY_LIST
        with threads_for(count):
            # FAISS's own Python layer offers this without the parameters.
            self._lists.search_preassigned_c(
                count,
                faiss.swig_ptr(projected),
                k,
                faiss.swig_ptr(probes.lists),
                faiss.swig_ptr(probes.scores),
                faiss.swig_ptr(scores),
                faiss.swig_ptr(positions),
                False,
                parameters,
            )
        return positions

    def _centroid_scores(self, projected: Floats) -> Floats:
        """Return the inner products with all centroids, float32 `[n, lists]`."""
        if len(projected) == 1:
            return inner_products(self._centroids(), projected[0])[None]
        if self._all_centroids is None:
            self._all_centroids = product_with(self._centroids())
        with threads_for(len(projected)):
            scores: Floats = self._all_centroids.apply(projected)
        return scores

    def _centroids(self) -> Floats:
        quantizer = self._quantizer
        pointed: Floats = faiss.rev_swig_ptr(quantizer.get_xb(), quantizer.ntotal * quantizer.d)
        return pointed.reshape(quantizer.ntotal, quantizer.d)
