"""Measuring: how often the engine is right on pictures whose labels are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.results import CategoryScore
from index.records import Floats, Ids

BLOCK = 512
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How well searching with each picture finds others of its label.

    Attributes
    ----------
    precision_at_1, precision_at_10
        Share of the first 1 or 10 results that have the query's label, on average.
    map
        Mean average precision over the whole ranking, of queries that have something to find.
    neighbours
        int64 `[n, 10]`, the nearest other pictures of each; -1 where there are fewer.
    scores
        float32 `[n, 10]`, their cosine similarities.
    """

    precision_at_1: float
    precision_at_10: float
    map: float
    neighbours: Ids
    scores: Floats


def retrieval(unit: Floats, labels: Ids) -> Retrieval:
    """Search a data set with each of its own pictures, itself left out, exactly.

    Parameters
    ----------
    unit
        Unit vectors, float32 `[n, dim]`.
    labels
        int64 `[n]`.
    """
    count = len(labels)
    neighbours = np.full((count, NEIGHBOURS), -1, np.int64)
    scores = np.full((count, NEIGHBOURS), -1, np.float32)
    first, top, averages = [], [], []
    for start in range(0, count, BLOCK):
        block = unit[start : start + BLOCK] @ unit.T
        own = np.arange(len(block))
        block[own, start + own] = -np.inf
        order = np.argsort(-block, axis=1, kind="stable")[:, : count - 1]
        right = labels[order] == labels[start + own][:, None]
        found = min(NEIGHBOURS, count - 1)
        neighbours[start + own, :found] = order[:, :found]
        scores[start + own, :found] = np.take_along_axis(block, order[:, :found], axis=1)
        first += right[:, :1].sum(axis=1).tolist()
        top += (right[:, :NEIGHBOURS].sum(axis=1) / NEIGHBOURS).tolist()
        averages += _average_precision(right)
    return Retrieval(_mean(first), _mean(top), _mean(averages), neighbours, scores)


def neighbours_vote(found: Retrieval, labels: Ids, count: int) -> Ids:
    """Return the label that most of each picture's neighbours have, weighed by similarity."""
    votes = np.zeros((len(labels), count), np.float32)
    rows = np.arange(len(labels))
    for rank in range(NEIGHBOURS):
        place = found.neighbours[:, rank]
        there = place >= 0
        weight = np.maximum(found.scores[there, rank], 1e-6)
        np.add.at(votes, (rows[there], labels[place[there]]), weight)
    winners: Ids = votes.argmax(axis=1).astype(np.int64)
    return winners


def category_scores(truth: Sequence[str], answers: Sequence[str]) -> dict[str, CategoryScore]:
    """Return precision and recall of each label that occurs."""
    from sklearn.metrics import precision_recall_fscore_support

    labels = sorted(set(truth))
    precision, recall, _, images = precision_recall_fscore_support(
        truth, answers, labels=labels, zero_division=0
    )
    rows = zip(labels, images.tolist(), precision.tolist(), recall.tolist(), strict=True)
    return {label: CategoryScore(*scores) for label, *scores in rows}


def confusion(truth: Sequence[str], answers: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Return how many pictures of each label were given each category, most frequent first."""
    from sklearn.metrics import confusion_matrix

    names = sorted({*truth, *answers})
    # Beside one name alone stands an empty one, else scikit-learn warns that labels are missing.
    counts = confusion_matrix(truth, answers, labels=[*names, ""])
    table = {}
    for label in sorted(set(truth)):
        row = counts[names.index(label)]
        order = [column for column in np.argsort(-row, kind="stable") if row[column]]
        table[label] = {names[column]: int(row[column]) for column in order}
    return table


def _average_precision(right: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> list[float]:
    totals = right.sum(axis=1)
    ranks = np.arange(1, right.shape[1] + 1)
    precision = np.cumsum(right, axis=1) / ranks
    sums = (precision * right).sum(axis=1)
    return [float(s / t) for s, t in zip(sums, totals, strict=True) if t]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
