"""How far a search must look to find what an exact one finds, measured when an index is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

import numpy as np

from index.records import Floats, Ids

TARGET = 0.99
# The sample is finite: what it shows must be a little better than what is promised.
MARGIN = 0.003
# Where the target is out of reach, this much less than the best is worth looking less far.
FORGONE = 0.005
NEIGHBOURS = 10
DEPTHS = (10, 100, 1000)
EXTRA_CANDIDATES = (60, 150, 300)
# Comparing this many candidates again costs as much as looking into one list more.
CANDIDATES_PER_PROBE = 12
# Twins are equally near: which of them is found is no matter. Their scores differ by rounding.
TIE = 1e-6
# So many queries measure the deeper searches, which take longer and need fewer for the same error.
DEEP_QUERIES = 100
CANDIDATES_PER_DEPTH = 15

Look = Callable[[Floats, int, int, int], Ids]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was measured on images of the catalog itself, each left out of its own results.

    Attributes
    ----------
    recall
        Share of the 10 nearest that a search for 10 finds.
    candidates
        How many more than asked for are compared a second time.
    probes
        `(depth, nprobe)`: how many lists to look into for the nearest `depth` images.
    """

    recall: float
    candidates: int
    probes: tuple[tuple[int, int], ...]

    def nprobe(self, depth: float, lists: int) -> int:
        """Return how many lists to look into, between what was measured and beyond it."""
        points = self.probes
        if depth <= points[0][0]:
            return points[0][1]
        below, above = points[-2:] if len(points) > 1 else ((1, 1), points[0])
        for left, right in pairwise(points):
            if depth <= right[0]:
                below, above = left, right
                break
        slope = log(above[1] / below[1]) / log(above[0] / below[0])
        wanted = below[1] * exp(slope * log(depth / below[0]))
        return max(1, min(round(wanted), lists))


@dataclass(frozen=True, slots=True)
class Truth:
    """What is nearest to each of some queries, best first.

    Attributes
    ----------
    places
        Positions, int64 `[n, depth]`.
    scores
        Their cosines, float32 `[n, depth]`; those of twins may differ by rounding.
    """

    places: Ids
    scores: Floats

    @property
    def depth(self) -> int:
        """How many are known of each query."""
        return int(self.places.shape[1])

    def recall(self, found: Ids) -> float:
        """Return the share of what the first of these queries should find that was found.

        Where as many as are asked for tie with others, each of these is as right; queries whose
        ties go on beyond what is known cannot tell anything.
        """
        wanted = min(found.shape[1], self.depth)
        scores = self.scores[: len(found)]
        near = scores >= scores[:, wanted - 1 : wanted] - TIE
        shares = [
            min(1.0, np.intersect1d(row, places[right]).size / wanted)
            for row, places, right in zip(found, self.places, near, strict=False)
            if not right[-1] or wanted == self.depth
        ]
        return float(np.mean(shares)) if shares else 1.0


def tune(look: Look, queries: Floats, truth: Truth, lists: int) -> Tuning:
    """Choose the cheapest way of looking that reaches the target.

    Parameters
    ----------
    look
        `look(queries, k, nprobe, candidates)` returns positions int64 `[n, k]`; a query's own
        image never among them.
    queries
        Unit vectors, float32 `[n, dim]`.
    truth
        What exact search finds for them, itself left out, too; deeper than is measured, so
        that ties are seen.
    lists
        How many lists there are.
    """
    tried = []
    for candidates in EXTRA_CANDIDATES:
        for nprobe in _grid(lists):
            recall = truth.recall(look(queries, NEIGHBOURS, nprobe, candidates))
            tried.append(_Tried(nprobe, candidates, recall))
            if recall >= TARGET + MARGIN:
                break
    chosen = _cheapest(tried, TARGET + MARGIN)
    probes = [(NEIGHBOURS, chosen.nprobe)]
    few = queries[:DEEP_QUERIES]
    for depth in DEPTHS[1:]:
        if truth.depth > depth:
            # Candidates in plenty, so that the lists alone decide what is found.
            plenty = CANDIDATES_PER_DEPTH * depth
            tried = []
            for deeper in _grid(lists, start=probes[-1][1]):
                tried.append(_Tried(deeper, plenty, truth.recall(look(few, depth, deeper, plenty))))
                if tried[-1].recall >= TARGET:
                    break
            probes.append((depth, _cheapest(tried, TARGET).nprobe))
    return Tuning(round(chosen.recall, 4), chosen.candidates, tuple(probes))


@dataclass(frozen=True, slots=True)
class _Tried:
    """A way of looking, and what it found."""

    nprobe: int
    candidates: int
    recall: float

    @property
    def cost(self) -> float:
        return self.nprobe + self.candidates / CANDIDATES_PER_PROBE


def _cheapest(tried: Sequence[_Tried], target: float) -> _Tried:
    """Return the cheapest that reaches the target, or nearly what can be reached at all.

    Codes of few bits confuse near neighbours: to look into every list would not help them.
    """
    best = max(each.recall for each in tried)
    aim = target if best >= target else best - FORGONE
    return min((each for each in tried if each.recall >= aim), key=lambda each: each.cost)


def _grid(lists: int, start: int = 1) -> Iterator[int]:
    """Yield growing numbers of lists, each a fifth more than the one before, up to all of them."""
    number = start
    while number < lists:
        yield number
        number = max(number + 1, int(number * 1.2))
    yield lists
