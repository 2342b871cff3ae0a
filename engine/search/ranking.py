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
    first
        Of so many nearest images the expansion is chosen.
    least, per_result
        So many images, and so many for each that is asked for, are ranked.
    same
        An image with such a cosine is the query itself, and comes first.
    """

    expanded: int = 5
    power: float = 3.0
    plain: float = 0.3
    first: int = 50
    least: int = 100
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
    mask: Ids | Mask | None = None,
    *,
    least: float = -np.inf,
    limits: FusedLimits = FusedLimits(),
) -> Ranked:
    """Return the `k` images of the highest rank among those whose cosine is `least` at least.

    What may be found is up to the mask; the query is expanded by whatever is nearest to it. An
    index that was never arranged ranks by cosine.

    Parameters
    ----------
    query
        A unit vector, float32 `[dim]`.
    """
    graph = index.graph
    if graph is None:
        return plain_ranking(index, query, k, mask)
    size = max(limits.least, limits.per_result * k)
    first = plain_ranking(index, query, limits.first, None)
    allowed = first if mask is None else plain_ranking(index, query, min(size, limits.first), mask)
    expanded = _expanded(index, graph, query, first.ids, limits)
    found = plain_ranking(index, expanded, size, mask)
    ids = np.union1d(allowed.ids, found.ids)
    cosines, augmented = _products(index, graph, np.stack([query, expanded]), ids)
    known = ~np.isnan(cosines) & (cosines >= least)
    ids, cosines = ids[known], np.clip(cosines[known], -1, 1)
    ranks = (limits.plain * cosines + (1 - limits.plain) * augmented[known]).astype(np.float32)
    order = _order(ids, cosines, ranks, limits)[:k]
    return Ranked(ids[order], cosines[order], ranks[order], allowed.best, FUSED)


def _order(ids: Ids, cosines: Floats, ranks: Floats, limits: FusedLimits) -> Ids:
    """Return the positions of images by falling rank, those that are the query itself first."""
    return np.lexsort((ids, -ranks, cosines < limits.same))


def _expanded(
    index: VectorIndex, graph: NeighbourGraph, query: Floats, ids: Ids, limits: FusedLimits
) -> Floats:
    """Return the query with the augmented vectors that are nearest to it taken up, `[dim]`."""
    _, products = _products(index, graph, query[None], ids)
    best = np.argsort(-products, kind="stable")[: limits.expanded]
    weights = np.maximum(products[best], 0) ** limits.power
    total = query + weights @ _augmented(index, graph, ids[best])
    unit: Floats = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
    return unit


def _products(
    index: VectorIndex, graph: NeighbourGraph, queries: Floats, ids: Ids
) -> tuple[Floats, Floats]:
    """Return products of a query with images, and of a query with their augmented vectors.

    Parameters
    ----------
    queries
        The one, and as the last the other, which may be the same; float32 `[m, dim]`.
    ids
        int64 `[n]`.

    Returns
    -------
    plain, augmented
        float32 `[n]`; plain ones are NaN for unknown images.
    """
    neighbours, weights, lengths = graph.weighted(ids)
    made_of = np.concatenate([ids[:, None], neighbours], axis=1)
    every, where = np.unique(made_of, return_inverse=True)
    products = index.cosines(queries, every)
    where = where.reshape(made_of.shape)
    last = np.nan_to_num(products[-1], nan=0.0)[where]
    total = last[:, 0] + (last[:, 1:] * weights).sum(axis=1)
    return products[0][where[:, 0]], total / lengths


def _augmented(index: VectorIndex, graph: NeighbourGraph, ids: Ids) -> Floats:
    """Return the augmented vectors of images, float32 `[n, dim]`."""
    neighbours, weights, lengths = graph.weighted(ids)
    parts = index.vectors(np.concatenate([ids[:, None], neighbours], axis=1).ravel())
    parts = parts.reshape(len(ids), -1, parts.shape[1])
    total: Floats = parts[:, 0] + (parts[:, 1:] * weights[:, :, None]).sum(axis=1)
    return total / lengths[:, None]
