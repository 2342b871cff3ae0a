"""What is measured of answers whose labels are known: of classification, and of search.

`evaluate`, `report`, `train`, `finetune` and `compare` take their figures from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.learning.results import CalibrationBin, CategoryScore
from index.records import Floats, Ids

UNKNOWN = -1
BINS = 10
NEIGHBOURS = 10
# Bytes of similarities held at a time.
BUDGET = 64 << 20
NAN = float("nan")


def accuracy(labels: Ids, answers: Ids) -> float:
    """Return the share of answers that are the label, NaN where there are none."""
    return float((labels == answers).mean()) if len(labels) else NAN


def balanced_accuracy(labels: Ids, answers: Ids) -> float:
    """Return the mean recall of the labels that occur, NaN where there are none.

    Where nine of ten images have one label, always answering it has an accuracy of 0.9 and a
    balanced accuracy of 0.5 (Brodersen et al. 2010, "The balanced accuracy and its posterior
    distribution").

    Parameters
    ----------
    labels, answers
        int64 `[n]`, as of `category_scores`.
    """
    images = np.bincount(labels)
    right = np.bincount(labels[labels == answers], minlength=len(images))
    there = images > 0
    return float((right[there] / images[there]).mean()) if len(labels) else NAN


def majority_baseline(labels: Ids) -> float:
    """Return the accuracy of always answering the most frequent label, NaN where there are none."""
    return float(np.bincount(labels).max() / len(labels)) if len(labels) else NAN


def category_scores(
    names: Sequence[str],
    labels: Ids,
    answers: Ids,
    *,
    undefined: float = NAN,
) -> dict[str, CategoryScore]:
    """Return precision and recall of each category.

    Parameters
    ----------
    names
        All categories, `k` of them.
    labels
        int64 `[n]`, positions in `names`.
    answers
        int64 `[n]`, positions in `names`; `UNKNOWN` and positions beyond are other answers.
    undefined
        What a share of nothing is.
    """
    outputs = len(names)
    images = np.bincount(labels, minlength=outputs)
    given = np.bincount(answers[answers != UNKNOWN], minlength=outputs)
    right = np.bincount(labels[labels == answers], minlength=outputs)
    rows = zip(names, images.tolist(), given.tolist(), right.tolist(), strict=False)
    return {
        name: CategoryScore(
            shown, hits / answered if answered else undefined, hits / shown if shown else undefined
        )
        for name, shown, answered, hits in rows
    }


def confusion_matrix(labels: Ids, answers: Ids, outputs: int) -> npt.NDArray[np.int64]:
    """Return how many images of each category were taken for each, int64 `[k, k + 1]`.

    The last column counts the answer `UNKNOWN`.
    """
    counts = np.zeros((outputs, outputs + 1), np.int64)
    np.add.at(counts, (labels, np.where(answers == UNKNOWN, outputs, answers)), 1)
    return counts


def confusion_table(
    names: Sequence[str], labels: Ids, answers: Ids
) -> Mapping[str, Mapping[str, int]]:
    """Return how many images of each label were given each category, most frequent first.

    Only what occurs is in the table, so its size does not grow with the square of the categories.
    """
    pairs, counts = np.unique(labels * len(names) + answers, return_counts=True)
    rows = [
        (names[pair // len(names)], -count, names[pair % len(names)])
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)
    ]
    table: dict[str, dict[str, int]] = {}
    for label, count, answer in sorted(rows):
        table.setdefault(label, {})[answer] = -count
    return table


def calibration_bins(
    confidence: Floats, right: npt.NDArray[np.bool_], bins: int = BINS
) -> list[CalibrationBin]:
    """Sort answers by confidence into bins of equal width.

    Parameters
    ----------
    confidence
        float32 `[n]`, probability of each answer. NaN, which a training that diverged leaves
        behind, belongs into no bin.
    right
        bool `[n]`, whether the answer is the label.
    """
    known = np.isfinite(confidence)
    confidence, right = confidence[known], right[known]
    number = np.minimum((np.clip(confidence, 0, 1) * bins).astype(np.int64), bins - 1)
    rows = []
    for each in range(bins):
        inside = number == each
        count = int(inside.sum())
        mean = float(confidence[inside].mean()) if count else NAN
        share = float(right[inside].mean()) if count else NAN
        rows.append(CalibrationBin(each / bins, (each + 1) / bins, count, mean, share))
    return rows


def calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Return the expected calibration error, 0 to 1, NaN where there are no answers.

    That is the distance of confidence from accuracy in each bin, weighed by images (Guo et al.
    2017, "On calibration of modern neural networks", equation 3).
    """
    total = sum(each.images for each in bins)
    distances = (each.images * abs(each.confidence - each.accuracy) for each in bins if each.images)
    return sum(distances) / total if total else NAN


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How well searching with each image finds others of its label, copies of it left out.

    Attributes
    ----------
    precision_at_1, precision_at_10
        How many of the first k results have the query's label, of those that could: k, or all
        others of the label where there are fewer (the capped recall of Thakur et al. 2021,
        "BEIR"). The mean over queries that have something to find.
    map
        Mean average precision over the whole ranking, of the same queries.
    neighbours
        int64 `[n, 10]`, the nearest other images of each; -1 where there are fewer.
    scores
        float32 `[n, 10]`, their cosine similarities.
    """

    precision_at_1: float
    precision_at_10: float
    map: float
    neighbours: Ids
    scores: Floats


def retrieval(
    unit: Floats, labels: Ids, groups: Ids | None = None, budget: int = BUDGET
) -> Retrieval:
    """Search a data set with each of its own images, itself and its copies left out, exactly.

    To find a copy of the query says nothing of how others of its label are found, so copies are
    neither results nor anything that could be found. Equal scores rank in order of position.
    Similarities are held for as many queries at a time
    as `budget` allows, so memory does not grow with the square of the images.

    Parameters
    ----------
    unit
        Unit vectors, float32 `[n, dim]`.
    labels
        int64 `[n]`.
    groups
        int64 `[n]`, the same for images that are copies of each other; None where none are.
    budget
        Bytes of similarities held at a time; those of one query are held in any case.
    """
    count = len(labels)
    groups = np.arange(count) if groups is None else groups
    relevant, copies = _members(labels), _members(groups)
    able = np.zeros(count, np.int64)
    neighbours = np.full((count, NEIGHBOURS), -1, np.int64)
    scores = np.full((count, NEIGHBOURS), -1, np.float32)
    averages = []
    step = max(1, min(count, budget // (4 * max(1, count))))
    block = np.empty((step, count), np.float32)
    for start in range(0, count, step):
        rows = np.matmul(unit[start : start + step], unit.T, out=block[: count - start])
        for query, row in enumerate(rows, start):
            left_out = copies[int(groups[query])]
            row[left_out] = -np.inf
            ranked = np.sort(row)[::-1]
            found = min(NEIGHBOURS, count - len(left_out))
            neighbours[query, :found] = _first(row, ranked, found)
            scores[query, :found] = ranked[:found]
            others = relevant[int(labels[query])]
            others = others[groups[others] != groups[query]]
            able[query] = len(others)
            if len(others):
                ranks = _ranks(row, ranked, others)
                averages.append(float((np.arange(1, len(ranks) + 1) / ranks).mean()))
    first, ten = (_precision(labels, neighbours, able, k) for k in (1, NEIGHBOURS))
    return Retrieval(first, ten, float(np.mean(averages)) if averages else NAN, neighbours, scores)


def _members(keys: Ids) -> dict[int, Ids]:
    """Return the positions of each key, ascending."""
    order = np.argsort(keys, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)
    return {int(keys[each[0]]): each for each in members if len(each)}


def _precision(labels: Ids, neighbours: Ids, able: Ids, k: int) -> float:
    """Return the mean precision at k, NaN where no image has another of its label.

    Parameters
    ----------
    able
        int64 `[n]`, how many images each could find.
    """
    found = neighbours[:, :k]
    right = ((labels[found] == labels[:, None]) & (found >= 0)).sum(axis=1)
    able = np.minimum(able, k)
    return float((right[able > 0] / able[able > 0]).mean()) if able.any() else NAN


def _first(row: Floats, ranked: Floats, count: int) -> Ids:
    """Return the positions of the `count` highest scores of a row, ties in order of position."""
    if not count:
        return np.empty(0, np.int64)
    able = np.flatnonzero(row >= ranked[count - 1])
    return able[np.argsort(-row[able], kind="stable")[:count]]


def _ranks(row: Floats, ranked: Floats, wanted: Ids) -> Ids:
    """Return the ranks of positions in a row, from 1, ascending; ties in order of position.

    Parameters
    ----------
    ranked
        The row in descending order.
    """
    values = np.sort(row[wanted])
    ascending = ranked[::-1]
    above = len(row) - np.searchsorted(ascending, values, side="right")
    equal = len(row) - np.searchsorted(ascending, values, side="left") - above
    if (equal > 1).any():
        # Copies of images have equal scores: only then the whole row must be sorted by position.
        rank = np.empty(len(row), np.int64)
        rank[np.argsort(-row, kind="stable")] = np.arange(1, len(row) + 1)
        return np.sort(rank[wanted])
    return above[::-1] + 1


def neighbours_vote(found: Retrieval, labels: Ids) -> Ids:
    """Return the label that most of each image's neighbours have, weighed by similarity, `[n]`.

    Of labels with equal votes the first wins.
    """
    there = found.neighbours >= 0
    nearest = np.where(there, labels[found.neighbours], -1)
    weight = np.where(there, np.maximum(found.scores, np.float32(1e-6)), np.float32(0))
    votes = np.zeros_like(weight)
    for rank in range(NEIGHBOURS):
        votes += (nearest == nearest[:, rank, None]) * weight[:, rank, None]
    votes[~there] = -1
    best = votes == votes.max(axis=1, keepdims=True)
    last = np.iinfo(np.int64).max
    winners: Ids = np.where(best & there, nearest, last).min(axis=1)
    return np.where(winners == last, 0, winners)
