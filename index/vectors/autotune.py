"""How far a search must look to find what an exact one finds, measured when an index is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log, sqrt

import numpy as np

from index.records import Floats, Ids
from index.vectors.ivf_probe import EVERYTHING

TARGET = 0.99
# The sample is finite: what it shows must be a little better than what is promised.
MARGIN = 0.002
# Where the target is out of reach, this much less than the best is worth looking less far.
FORGONE = 0.005
NEIGHBOURS = 10
DEPTHS = (10, 100, 1000)
EXTRA_CANDIDATES = (100, 150, 220, 300, 400)
# Comparing this many candidates again costs as much as looking into one list more.
CANDIDATES_PER_LIST = 10
# Twins are equally near: which of them is found is no matter. Their scores differ by rounding.
TIE = 1e-6
# Smaller gaps are not worth telling apart; and this much do products differ by rounding.
LEAST_GAP, ROUNDING = 0.001, 1e-6
# This share of the nearest lies in the lists that are looked into; the codes lose some more.
SHARES = tuple(1 - missed / 2000 for missed in range(20, -1, -1))

Look = Callable[[float, int], Ids]
ListsWithin = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was measured on images of the catalog itself, each left out of its own results.

    Attributes
    ----------
    recall
        Share of the 10 nearest that a search for 10 finds.
    candidates
        How many more than asked for are compared a second time.
    gaps
        `(depth, gap)`: for the nearest `depth` images, how much less similar than the nearest
        centroid those of the lists that are looked into may be.
    """

    recall: float
    candidates: int
    gaps: tuple[tuple[int, float], ...]

    def gap(self, depth: float) -> float:
        """Return the gap for this depth, between what was measured and beyond it."""
        points = self.gaps
        if depth <= points[0][0]:
            return points[0][1]
        below, above = points[-2:] if len(points) > 1 else ((1, points[0][1] / 2), points[0])
        for left, right in pairwise(points):
            if depth <= right[0]:
                below, above = left, right
                break
        slope = log(above[1] / below[1]) / log(above[0] / below[0])
        return min(below[1] * exp(slope * log(depth / below[0])), EVERYTHING)

    def candidates_among(self, share: float) -> int:
        """Return how many more to compare where only this share of all images is allowed.

        The nearest of these lie farther apart, and the codes confuse fewer of them.
        """
        return round(self.candidates * sqrt(sqrt(share)))


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
        if not wanted:
            return 1.0
        scores = self.scores[: len(found)]
        near = scores >= scores[:, wanted - 1 : wanted] - TIE
        shares = [
            min(1.0, np.intersect1d(row, places[right]).size / wanted)
            for row, places, right in zip(found, self.places, near, strict=False)
            if not right[-1] or wanted == self.depth
        ]
        return float(np.mean(shares)) if shares else 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """Searches for the nearest of the images that a filter allows, or of all.

    Attributes
    ----------
    depth
        The nearest so many of all images hold the `NEIGHBOURS` that should be found.
    look
        `look(gap, candidates)` returns the positions that these searches find, int64
        `[n, NEIGHBOURS]`; a query's own image never among them.
    truth
        What exact search finds, itself left out, too; more of it than is looked for, so that
        ties are seen.
    needed
        The gap with which the list of each of the nearest `depth` is looked into, float32.
    """

    depth: int
    look: Look
    truth: Truth
    needed: Floats


def tune(trials: Sequence[Trial], lists_within: ListsWithin) -> Tuning:
    """Choose the cheapest way of looking that reaches the target.

    Parameters
    ----------
    trials
        The first one without a filter, the others deeper and deeper.
    lists_within
        How many lists a query looks into with a gap, on average.
    """
    first, *others = trials
    chosen = _cheapest(_tried(first, EXTRA_CANDIDATES, lists_within))
    tuning = Tuning(round(chosen.recall, 4), chosen.candidates, ((first.depth, chosen.gap),))
    for trial in others:
        candidates = tuning.candidates_among(NEIGHBOURS / trial.depth)
        deeper = _cheapest(_tried(trial, (candidates,), lists_within)).gap
        point = (trial.depth, max(deeper, tuning.gaps[-1][1]))
        tuning = replace(tuning, gaps=(*tuning.gaps, point))
    return tuning


def _tried(trial: Trial, numbers: Sequence[int], lists_within: ListsWithin) -> list[_Tried]:
    """Try each number of candidates with wider and wider gaps, until enough is found."""
    tried = []
    for candidates in numbers:
        for share in SHARES:
            gap = _reaching(trial.needed, share)
            recall = trial.truth.recall(trial.look(gap, candidates))
            tried.append(_Tried(gap, lists_within(gap), candidates, recall))
            if recall >= TARGET + MARGIN:
                break
    return tried


@dataclass(frozen=True, slots=True)
class _Tried:
    """A way of looking, and what it found."""

    gap: float
    lists: float
    candidates: int
    recall: float

    @property
    def cost(self) -> float:
        return self.lists + self.candidates / CANDIDATES_PER_LIST


def _reaching(needed: Floats, share: float) -> float:
    """Return the least gap with which this share of images lies in lists that are looked into."""
    if not needed.size:
        return EVERYTHING
    # Rounded up: the query's own products may be summed in another order than these.
    return max(LEAST_GAP, float(np.quantile(needed, share, method="higher")) + ROUNDING)


def _cheapest(tried: Sequence[_Tried]) -> _Tried:
    """Return the cheapest that reaches the target, or nearly what can be reached at all.

    Codes of few bits confuse near neighbours: to look into more lists would not help them.
    """
    best = max(each.recall for each in tried)
    aim = TARGET + MARGIN if best >= TARGET + MARGIN else best - FORGONE
    return min((each for each in tried if each.recall >= aim), key=lambda each: each.cost)
