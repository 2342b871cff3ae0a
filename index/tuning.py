"""How far a search must look to find what an exact one finds, measured when an index is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

import numpy as np

from index.records import Floats, Ids

TARGET = 0.99
# The sample is finite: what it shows must be a little better than what is promised.
MARGIN = 0.003
NEIGHBOURS = 10
DEPTHS = (10, 100, 1000)
EXTRA_CANDIDATES = (60, 150, 300)
# Comparing this many candidates again costs as much as looking into one list more.
CANDIDATES_PER_PROBE = 12
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


def tune(look: Look, queries: Floats, truth: Ids, lists: int) -> Tuning:
    """Choose the cheapest way of looking that reaches the target.

    Parameters
    ----------
    look
        `look(queries, k, nprobe, candidates)` returns positions int64 `[n, k]`; a query's own
        image never among them.
    queries
        Unit vectors, float32 `[n, dim]`.
    truth
        Positions of their nearest, best first, int64 `[n, depth]`.
    lists
        How many lists there are.
    """
    options = []
    for candidates in EXTRA_CANDIDATES:
        for nprobe in _grid(lists):
            recall = _recall(look(queries, NEIGHBOURS, nprobe, candidates), truth)
            if recall >= TARGET + MARGIN:
                break
        reached = recall >= TARGET + MARGIN
        cost = nprobe + candidates / CANDIDATES_PER_PROBE
        options.append((not reached, cost if reached else -recall, nprobe, candidates, recall))
    _, _, nprobe, candidates, recall = min(options)
    probes = [(NEIGHBOURS, nprobe)]
    few, few_truth = queries[:DEEP_QUERIES], truth[:DEEP_QUERIES]
    for depth in DEPTHS[1:]:
        if truth.shape[1] >= depth:
            for deeper in _grid(lists, start=probes[-1][1]):
                # Candidates in plenty, so that the lists alone decide what is found.
                found = look(few, depth, deeper, CANDIDATES_PER_DEPTH * depth)
                if _recall(found, few_truth) >= TARGET:
                    break
            probes.append((depth, deeper))
    return Tuning(round(recall, 4), candidates, tuple(probes))


def _grid(lists: int, start: int = 1) -> Iterator[int]:
    """Yield growing numbers of lists, each a fifth more than the one before, up to all of them."""
    number = start
    while number < lists:
        yield number
        number = max(number + 1, int(number * 1.2))
    yield lists


def _recall(found: Ids, truth: Ids) -> float:
    depth = found.shape[1]
    shared = [
        np.intersect1d(row, nearest[:depth]).size for row, nearest in zip(found, truth, strict=True)
    ]
    return float(np.mean(shared) / min(depth, truth.shape[1]))
