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
from engine.search.surroundings import Surroundings
from index.records import Floats, Ids
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
        So many nearest images are looked at, and at least so many more than are asked for.
    looked, around
        Of so many of the nearest, and at least of as many as are asked for, so many neighbours are
        looked at, too.
    ranked
        Of all these so many are ranked, those of the highest cosine, and at least `more` than are
        asked for.
    taken_up
        Ranks are estimated first. So many of the best are summed whole to choose what the query
        takes up, and `more` than are asked for to answer.
    per_result
        Within a mask so many are ranked for each image that is asked for.
    same
        An image with such a cosine is the query itself, and comes first.
    """

    expanded: int = 5
    power: float = 3.0
    plain: float = 0.3
    first: int = 350
    more: int = 20
    looked: int = 80
    around: int = 10
    ranked: int = 250
    taken_up: int = 60
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
    first, looked = max(limits.first, k + limits.more), max(limits.looked, k)
    ids = graph.around(index.candidates(query, first, k), limits.around, looked)
    around = Surroundings(index, graph, ids, query, max(limits.ranked, k + limits.more))
    expanded = around.expanded(limits.expanded, limits.power, limits.taken_up)
    if mask is not None:
        nearest = index.candidates(query, max(limits.first, limits.per_result * k), k, mask)
        ids = np.union1d(nearest, ids[np.isin(ids, mask)])
        around = Surroundings(index, graph, ids, query, max(limits.ranked, limits.per_result * k))
    some, ranks = around.ranks(expanded, limits.plain, least, k + limits.more, limits.same)
    ids, cosines = around.ids[some], around.cosines[some]
    order = _order(ids, cosines, ranks, limits)[:k]
    best = float(around.cosines.max(initial=-np.inf))
    return Ranked(ids[order], cosines[order], ranks[order], best, FUSED)


def _order(ids: Ids, cosines: Floats, ranks: Floats, limits: FusedLimits) -> Ids:
    """Return the positions of images by falling rank, those that are the query itself first."""
    return np.lexsort((ids, -ranks, cosines < limits.same))
