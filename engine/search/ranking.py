"""In which order the images of an answer come: by their own cosine, or by their surroundings too.

`fused` adds to the cosine of an image how well it fits with what looks like it (database
augmentation: Turcot and Lowe, 2009; Gordo et al., arXiv 1610.07940), asked by a query that has
taken up its own nearest images (alpha query expansion: Radenovic et al., arXiv 1711.02512).
Products with augmented vectors are summed from products with plain ones, by the graph of nearest
neighbours that an arranged index has (`index/vectors/graph.py`); no second index is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.errors import UsageError
from index.records import Floats, Ids
from index.vectors.graph import NeighbourGraph
from index.vectors.index import Mask, VectorIndex

FUSED, PLAIN = RANKS = ("fused", "plain")


@dataclass(frozen=True, slots=True)
class FusedLimits:
    """What a fused ranking is made of.

    Attributes
    ----------
    expanded
        How many of the nearest images a query takes up.
    power
        Of the cosine that each of them is weighted by.
    plain
        The share of the plain cosine in the rank; the rest is that of the expanded query with the
        augmented vectors.
    first, more
        So many nearest images, and at least so many more than are asked for, are looked around.
    around
        So many neighbours of each of them are ranked, too.
    per_result
        Within a mask so many are ranked for each image that is asked for.
    same
        An image with such a cosine is the query itself, and comes first.
    """

    expanded: int = 5
    power: float = 3.0
    plain: float = 0.3
    first: int = 100
    more: int = 20
    around: int = 5
    per_result: int = 4
    same: float = 0.999


@dataclass(frozen=True, slots=True)
class Ranked:
    """Images in order, best first.

    Attributes
    ----------
    ids
        int64 `[n]`.
    scores
        Cosines, float32 `[n]`.
    rank_scores
        What they are ordered by, float32 `[n]`; an image that is the query itself comes first.
    best
        The highest cosine of all images that were allowed; -inf where there are none.
    order
        `fused` or `plain`.
    """

    ids: Ids
    scores: Floats
    rank_scores: Floats
    best: float
    order: str = PLAIN

    def with_scores(self, scores: Floats, limits: FusedLimits = FusedLimits()) -> Ranked:
        """Return the same images in the order that they have with other cosines."""
        if self.order == PLAIN:
            order = np.argsort(-scores, kind="stable")
            return Ranked(self.ids[order], scores[order], scores[order], self.best)
        ranks = self.rank_scores + np.float32(limits.plain) * (scores - self.scores)
        order = _order(self.ids, scores, ranks, limits)
        return Ranked(self.ids[order], scores[order], ranks[order], self.best, FUSED)


def require_rank(rank: str) -> None:
    """Insist on a way of ranking.

    Raises
    ------
    UsageError
        There is no such.
    """
    if rank not in RANKS:
        raise UsageError("rank", f"{rank!r} is not a choice", f"Use one of {', '.join(RANKS)}")


def plain_ranking(index: VectorIndex, query: Floats, k: int, mask: Ids | Mask | None) -> Ranked:
    """Return the `k` images of the highest cosine.

    Parameters
    ----------
    query
        A unit vector, float32 `[dim]`.
    """
    hits = index.search(query[None], k, mask)
    there = hits.ids[0] >= 0
    scores = hits.scores[0][there]
    best = float(scores.max()) if len(scores) else -np.inf
    return Ranked(hits.ids[0][there], scores, scores, best)


def fused_ranking(
    index: VectorIndex,
    query: Floats,
    k: int,
    mask: Ids | None = None,
    *,
    least: float = -np.inf,
    limits: FusedLimits = FusedLimits(),
) -> Ranked:
    """Return the `k` images of the highest rank among those whose cosine is `least` at least.

    The index is asked once: for the nearest images, whose neighbours by the graph are ranked with
    them. What may be found is up to the mask; the query is expanded by whatever is nearest to it.
    An index that was never arranged ranks by cosine.

    Parameters
    ----------
    query
        A unit vector, float32 `[dim]`.
    mask
        Only these may be found, int64 `[n]`.
    """
    graph = index.graph
    if graph is None:
        return plain_ranking(index, query, k, mask)
    nearest = plain_ranking(index, query, max(limits.first, k + limits.more), None)
    around = _Surroundings(index, graph, graph.around(nearest.ids, limits.around))
    cosines, augmented = around.products(query)
    expanded = around.expanded(query, augmented, limits)
    if mask is not None:
        nearest = plain_ranking(index, query, max(limits.first, limits.per_result * k), mask)
        allowed = around.ids[np.isin(around.ids, mask)]
        around = _Surroundings(index, graph, np.union1d(nearest.ids, allowed))
        cosines, _ = around.products(query)
    _, augmented = around.products(expanded)
    known = ~np.isnan(cosines) & (cosines >= least)
    ids, cosines = around.ids[known], np.clip(cosines[known], -1, 1)
    ranks = (limits.plain * cosines + (1 - limits.plain) * augmented[known]).astype(np.float32)
    order = _order(ids, cosines, ranks, limits)[:k]
    return Ranked(ids[order], cosines[order], ranks[order], nearest.best, FUSED)


def _order(ids: Ids, cosines: Floats, ranks: Floats, limits: FusedLimits) -> Ids:
    """Return the positions of images by falling rank, those that are the query itself first."""
    return np.lexsort((ids, -ranks, cosines < limits.same))


class _Surroundings:
    """Some images, and what their augmented vectors are made of.

    Parameters
    ----------
    ids
        Ascending, int64 `[n]`.
    """

    def __init__(self, index: VectorIndex, graph: NeighbourGraph, ids: Ids) -> None:
        self.ids = ids
        self._index = index
        self._neighbours, self._weights, self._lengths = graph.weighted(ids)
        # With -1, which stands for no neighbour: no index holds it, and it has no weight.
        self._every = np.union1d(ids, self._neighbours.ravel())
        self._own = np.searchsorted(self._every, ids)
        self._others = np.searchsorted(self._every, self._neighbours)

    def products(self, query: Floats) -> tuple[Floats, Floats]:
        """Return products of a query float32 `[dim]` with the images, and with augmented vectors.

        Both are float32 `[n]`; plain ones are NaN for images that the index does not hold.
        """
        products = self._index.cosines(query[None], self._every)[0]
        plain = products[self._own]
        np.nan_to_num(products, copy=False, nan=0.0)
        total = products[self._own] + (products[self._others] * self._weights).sum(axis=1)
        return plain, total / self._lengths

    def expanded(self, query: Floats, products: Floats, limits: FusedLimits) -> Floats:
        """Return a query with the augmented vectors nearest to it taken up, float32 `[dim]`.

        Parameters
        ----------
        products
            Of the query with the augmented vectors, float32 `[n]`.
        """
        best = np.argsort(-products, kind="stable")[: limits.expanded]
        weights = np.maximum(products[best], 0) ** limits.power / self._lengths[best]
        parts = np.concatenate([self.ids[best, None], self._neighbours[best]], axis=1)
        shares = np.concatenate([weights[:, None], weights[:, None] * self._weights[best]], axis=1)
        total = query + shares.ravel() @ self._index.vectors(parts.ravel())
        unit: Floats = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
        return unit
