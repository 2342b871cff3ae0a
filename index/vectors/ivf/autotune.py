"""Autotune: how many lists to probe and how many candidates to rerank, measured after a build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log, sqrt

import numpy as np

from index.records import Floats, Ids
from index.vectors.ivf.probe import MAX_MARGIN

TARGET = 0.99
# The sample is finite: what it shows must be a little better than what is promised.
RESERVE = 0.002
# Where the target is out of reach, this much less than the best is worth probing fewer lists.
FORGONE = 0.005
NEIGHBOURS = 10
DEPTHS = (10, 100, 1000)
EXTRA_CANDIDATES = (100, 150, 220, 300, 400)
# To rerank this many candidates costs as much as to probe one list more.
CANDIDATES_PER_LIST = 10
# Twins are equally similar: which of them is found is no matter. Their scores differ by rounding.
TIE = 1e-6
# Smaller margins are not worth telling apart; and this much do products differ by rounding.
LEAST_MARGIN, ROUNDING = 0.001, 1e-6
# This share of the nearest lies in the lists that are probed; the short codes lose some more.
SHARES = tuple((1 - np.arange(20, -1, -1) / 2000).tolist())

Search = Callable[[float, int], Ids]
ListsProbed = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Autotuned:
    """What was measured on images of the catalog itself, each left out of its own results.

    Attributes
    ----------
    recall
        Share of the 10 nearest that a search for 10 finds.
    candidates
        How many more than asked for are reranked.
    margins
        `(depth, margin)`: the probe margin for the nearest `depth` images, that is how much less
        similar than the nearest centroid those of the lists that are probed may be.
    """

    recall: float
    candidates: int
    margins: tuple[tuple[int, float], ...]

    def margin(self, depth: float) -> float:
        """Return the probe margin for this depth, interpolated or extrapolated log-linearly."""
        points = self.margins
        if depth <= points[0][0]:
            return points[0][1]
        below, above = points[-2:] if len(points) > 1 else ((1, points[0][1] / 2), points[0])
        for left, right in pairwise(points):
            if depth <= right[0]:
                below, above = left, right
                break
        slope = log(above[1] / below[1]) / log(above[0] / below[0])
        return min(below[1] * exp(slope * log(depth / below[0])), MAX_MARGIN)

    def candidates_among(self, share: float) -> int:
        """Return how many more to rerank where only this share of all images is allowed.

        The nearest of these lie farther apart, and the codes confuse fewer of them.
        """
        return round(self.candidates * sqrt(sqrt(share)))


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What is nearest to each of some queries, best first.

    Attributes
    ----------
    positions
        int64 `[n, depth]`.
    scores
        Their cosines, float32 `[n, depth]`; those of twins may differ by rounding.
    """

    positions: Ids
    scores: Floats

    @property
    def depth(self) -> int:
        """How many are known of each query."""
        return int(self.positions.shape[1])

    def recall(self, found: Ids) -> float:
        """Return the share of what the first of these queries should find that was found.

        Where as many as are asked for tie with others, each of these is as right; queries whose
        ties go on beyond what is known cannot tell anything.

        Parameters
        ----------
        found
            Positions, int64 `[m, k]`, -1 for none.
        """
        wanted = min(found.shape[1], self.depth)
        if not wanted:
            return 1.0
        scores = self.scores[: len(found)]
        right = scores >= scores[:, wanted - 1 : wanted] - TIE
        shares = [
            min(1.0, np.intersect1d(row, positions[row_right]).size / wanted)
            for row, positions, row_right in zip(found, self.positions, right, strict=False)
            if not row_right[-1] or wanted == self.depth
        ]
        return float(np.mean(shares)) if shares else 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """Searches for the nearest of the images that a mask allows, or of all.

    Attributes
    ----------
    depth
        The nearest so many of all images hold the `NEIGHBOURS` that should be found.
    search
        `search(margin, candidates)` returns the positions that these searches find, int64
        `[n, NEIGHBOURS]`; a query's own image never among them.
    truth
        What exact search finds, itself left out, too; more of it than is searched for, so that
        ties are seen.
    needed
        The probe margin with which the list of each of the nearest `depth` is probed, float32
        `[n, depth]`.
    """

    depth: int
    search: Search
    truth: GroundTruth
    needed: Floats


def autotune(trials: Sequence[Trial], lists_probed: ListsProbed) -> Autotuned:
    """Choose the cheapest margins and number of candidates that reach the target.

    Parameters
    ----------
    trials
        The first one without a mask, the others deeper and deeper.
    lists_probed
        How many lists a query probes with a margin, on average.
    """
    first, *others = trials
    chosen = _cheapest(_results(first, EXTRA_CANDIDATES, lists_probed))
    margins = ((first.depth, chosen.margin),)
    autotuned = Autotuned(round(chosen.recall, 4), chosen.candidates, margins)
    for trial in others:
        candidates = autotuned.candidates_among(NEIGHBOURS / trial.depth)
        deeper = _cheapest(_results(trial, (candidates,), lists_probed)).margin
        point = (trial.depth, max(deeper, autotuned.margins[-1][1]))
        autotuned = replace(autotuned, margins=(*autotuned.margins, point))
    return autotuned


@dataclass(frozen=True, slots=True)
class _Result:
    """One setting of a trial, and the recall it reached."""

    margin: float
    lists: float
    candidates: int
    recall: float

    @property
    def cost(self) -> float:
        return self.lists + self.candidates / CANDIDATES_PER_LIST


def _results(trial: Trial, counts: Sequence[int], lists_probed: ListsProbed) -> list[_Result]:
    """Try each number of candidates with wider and wider margins, until enough is found."""
    results = []
    for candidates in counts:
        for share in SHARES:
            margin = _margin_for(trial.needed, share)
            recall = trial.truth.recall(trial.search(margin, candidates))
            results.append(_Result(margin, lists_probed(margin), candidates, recall))
            if recall >= TARGET + RESERVE:
                break
    return results


def _margin_for(needed: Floats, share: float) -> float:
    """Return the least margin with which this share of images lies in lists that are probed."""
    if not needed.size:
        return MAX_MARGIN
    # Rounded up: the query's own products may be summed in another order than these.
    return max(LEAST_MARGIN, float(np.quantile(needed, share, method="higher")) + ROUNDING)


def _cheapest(results: Sequence[_Result]) -> _Result:
    """Return the cheapest that reaches the target, or nearly what can be reached at all.

    Codes of few bits confuse near neighbours: to probe more lists would not help them.
    """
    best = max(each.recall for each in results)
    aim = TARGET + RESERVE if best >= TARGET + RESERVE else best - FORGONE
    return min((each for each in results if each.recall >= aim), key=lambda each: each.cost)
