"""Figures of answers whose labels are known, against definitions and scikit-learn."""

from __future__ import annotations

import math
import tracemalloc
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from engine.learning.metrics import (
    UNKNOWN,
    accuracy,
    balanced_accuracy,
    calibration_bins,
    calibration_error,
    category_scores,
    confusion_matrix,
    confusion_table,
    majority_baseline,
    neighbours_vote,
    retrieval,
)
from index.records import Floats, Ids


def cloud(count: int, categories: int, seed: int) -> tuple[Floats, Ids]:
    """Return unit vectors that lie a little by category, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, categories, count)
    values = 0.5 * np.eye(8)[labels] + rng.normal(0, 0.5, (count, 8))
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit.astype(np.float32), labels.astype(np.int64)


CLOUDS = st.builds(cloud, st.integers(1, 40), st.integers(1, 4), st.integers(0, 10_000))


def others(unit: Floats, groups: Ids, row: int) -> tuple[Floats, Ids]:
    """Return the scores and the rows of all pictures of other groups, best first."""
    rows = np.flatnonzero(groups != groups[row])
    scores = unit[rows] @ unit[row]
    order = np.argsort(-scores, kind="stable")
    return scores[order], rows[order]


@pytest.mark.slow
@given(data=CLOUDS, budget=st.integers(1, 8000), size=st.integers(1, 4))
def test_precision_and_map_are_what_their_definitions_say(
    data: tuple[Floats, Ids], budget: int, size: int
) -> None:
    unit, labels = data
    groups = np.random.default_rng(size).permutation(np.arange(len(labels)) // size)
    first, ten, averages = [], [], []
    for row, label in enumerate(labels):
        scores, rows = others(unit, groups, row)
        right = labels[rows] == label
        if right.any():
            first.append(right[0])
            ten.append(right[:10].sum() / min(10, right.sum()))
            averages.append(average_precision_score(right, scores))
    found = retrieval(unit, labels, groups, budget)
    wanted = [np.mean(each) if each else math.nan for each in (first, ten, averages)]
    figures = [found.precision_at_1, found.precision_at_10, found.map]
    assert figures == pytest.approx(wanted, abs=1e-6, nan_ok=True)


@pytest.mark.slow
@given(data=CLOUDS, size=st.integers(1, 4))
def test_neighbours_are_the_nearest_others(data: tuple[Floats, Ids], size: int) -> None:
    unit, labels = data
    groups = np.arange(len(labels)) // size
    found = retrieval(unit, labels, groups)
    for row in range(len(labels)):
        scores, _ = others(unit, groups, row)
        there = found.neighbours[row] >= 0
        assert groups[row] not in groups[found.neighbours[row, there]]
        assert there.sum() == min(10, len(scores))
        np.testing.assert_allclose(found.scores[row, there], scores[:10], atol=1e-6)
        near = unit[found.neighbours[row, there]] @ unit[row]
        np.testing.assert_allclose(near, scores[:10], atol=1e-6)


def test_an_image_is_left_out_of_its_own_results() -> None:
    unit = np.eye(4, dtype=np.float32)[[0, 1, 0, 1]]
    found = retrieval(unit, np.array([0, 0, 1, 1]))
    assert (found.precision_at_1, found.map) == (0.0, pytest.approx(5 / 12))


def test_copies_of_an_image_are_neither_results_nor_to_be_found() -> None:
    labels, groups = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 2, 3, 3])
    unit = np.array([[1, 0], [1, 0], [0, 1], [0.8, 0.6], [0.8, 0.6]], np.float32)
    plain, found = retrieval(unit, labels), retrieval(unit, labels, groups)
    assert plain.precision_at_1 == 4 / 5
    assert (found.precision_at_1, found.map) == (0.0, pytest.approx((1 / 3 + 1 / 3 + 5 / 12) / 3))
    assert found.neighbours[0].tolist()[:4] == [3, 4, 2, -1]
    assert found.neighbours[3].tolist()[:4] == [0, 1, 2, -1]


@pytest.mark.parametrize("images", [2, 5, 11, 30])
def test_a_search_that_finds_all_there_is_has_a_precision_of_one(images: int) -> None:
    labels = np.repeat([0, 1], images)
    found = retrieval(np.eye(2, dtype=np.float32)[labels], labels)
    assert (found.precision_at_1, found.precision_at_10, found.map) == (1.0, 1.0, 1.0)


def test_an_image_with_nothing_to_find_counts_in_no_figure() -> None:
    labels = np.array([0, 0, 1])
    found = retrieval(np.eye(2, dtype=np.float32)[labels], labels)
    assert (found.precision_at_1, found.precision_at_10, found.map) == (1.0, 1.0, 1.0)
    alone = retrieval(np.eye(4, dtype=np.float32), np.arange(4))
    assert np.isnan([alone.precision_at_1, alone.precision_at_10, alone.map]).all()


@given(data=CLOUDS)
def test_the_neighbours_vote_with_their_similarity(data: tuple[Floats, Ids]) -> None:
    unit, labels = data
    winners = neighbours_vote(retrieval(unit, labels), labels)
    for row in range(len(labels)):
        scores, rows = others(unit, np.arange(len(labels)), row)
        votes = np.zeros(4)
        for score, other in zip(scores[:10], rows[:10], strict=True):
            votes[labels[other]] += max(score, 1e-6)
        assert votes[winners[row]] == pytest.approx(votes.max(), abs=1e-5)


def test_a_near_neighbour_outvotes_a_far_one() -> None:
    unit = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8]], np.float32)
    labels = np.array([0, 1, 2])
    assert neighbours_vote(retrieval(unit, labels), labels)[0] == 1


ANSWERS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1)


@given(pairs=ANSWERS)
def test_precision_recall_and_confusion_are_what_their_definitions_say(
    pairs: list[tuple[str, str]],
) -> None:
    truth, answers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    names = sorted(set(truth))
    every = [*names, *sorted(set(answers) - set(names))]
    positions = (np.array(list(map(every.index, each))) for each in (truth, answers))
    labels, given = positions
    scores = category_scores(names, labels, given, undefined=0.0)
    table = confusion_table(every, labels, given)
    assert list(scores) == list(table) == names
    for name in names:
        right, said = pairs.count((name, name)), answers.count(name)
        assert scores[name].precision == pytest.approx(right / said if said else 0.0)
        assert scores[name].recall == pytest.approx(right / truth.count(name))
    counted = {(name, said): n for name in table for said, n in table[name].items()}
    assert counted == Counter(pairs)
    assert [scores[name].images for name in names] == [truth.count(name) for name in names]


@given(pairs=ANSWERS)
def test_the_confusion_matrix_counts_what_the_table_counts(pairs: list[tuple[str, str]]) -> None:
    names = list("abcd")
    labels, given = (np.array([names.index(pair[side]) for pair in pairs]) for side in (0, 1))
    counts = confusion_matrix(labels, given, 4)
    table = confusion_table(names, labels, given)
    for row, label in enumerate(names):
        assert counts[row].tolist() == [*(table.get(label, {}).get(n, 0) for n in names), 0]


def test_unknown_images_are_in_the_last_column_and_right_in_none() -> None:
    labels, answers = np.array([0, 0, 1]), np.array([0, UNKNOWN, UNKNOWN])
    assert confusion_matrix(labels, answers, 2).tolist() == [[1, 0, 1], [0, 0, 1]]
    scores = category_scores(("a", "b"), labels, answers)
    assert (scores["a"].precision, scores["a"].recall) == (1.0, 0.5)
    assert math.isnan(scores["b"].precision) and scores["b"].recall == 0.0


def test_accuracy_of_nothing_is_nan() -> None:
    assert accuracy(np.array([0, 1]), np.array([0, 0])) == 0.5
    assert math.isnan(accuracy(np.zeros(0, np.int64), np.zeros(0, np.int64)))


def plain(unit: Floats, labels: Ids) -> tuple[float, float, float]:
    """Return precision at 1 and 10, and the mean average precision, from the whole matrix."""
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    right = labels[order] == labels[:, None]
    ranks = np.arange(1, right.shape[1] + 1)
    precision = np.cumsum(right, axis=1) / ranks
    averages = [row[hit].mean() for row, hit in zip(precision, right, strict=True) if hit.any()]
    right = right[right.any(axis=1)]
    ten = right[:, :10].sum(axis=1) / np.minimum(right.sum(axis=1), 10)
    return right[:, 0].mean(), ten.mean(), float(np.mean(averages))


@given(seed=st.integers(0, 1000), copies=st.integers(1, 4))
def test_copies_with_equal_scores_are_ranked_in_order_of_position(seed: int, copies: int) -> None:
    # Small whole numbers: every sum is exact, whatever is added up first.
    rng = np.random.default_rng(seed)
    unit = np.repeat(rng.integers(-2, 3, (12, 4)), copies, axis=0).astype(np.float32)
    unit = unit[rng.permutation(len(unit))]
    labels = rng.integers(0, 3, len(unit))
    found = retrieval(unit, labels, budget=1)
    wanted = plain(unit, labels)
    assert (found.precision_at_1, found.precision_at_10) == pytest.approx(wanted[:2])
    assert found.map == pytest.approx(wanted[2])


def test_a_small_budget_changes_no_figure() -> None:
    unit, labels = cloud(300, 4, 0)
    whole, parts = retrieval(unit, labels), retrieval(unit, labels, budget=300 * 4 * 7)
    assert whole.map == pytest.approx(parts.map, abs=1e-6)
    assert np.array_equal(whole.neighbours, parts.neighbours)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_square_of_the_images() -> None:
    peaks = []
    for count in (1000, 4000):
        unit, labels = cloud(count, 4, 0)
        tracemalloc.start()
        retrieval(unit, labels, budget=1 << 20)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # All similarities at once are 4 MB, and 64 MB.
    assert peaks[0] < 2 << 20
    assert peaks[1] < 4 << 20


def test_votes_do_not_take_a_column_for_each_label() -> None:
    labels = np.arange(3000)
    found = retrieval(cloud(3000, 4, 0)[0], labels, budget=1 << 20)
    tracemalloc.start()
    neighbours_vote(found, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Images times labels are 36 MB.
    assert peak < 4 << 20


def test_the_calibration_error_is_the_one_worked_out_by_hand() -> None:
    confidence = np.array([0.95, 0.62, 0.68, 0.85], np.float32)
    # In one bin 0.62 and 0.68, right once: 0.15 of half the images; alone 0.95 and 0.85.
    wanted = 0.15 * 0.5 + 0.05 * 0.25 + 0.15 * 0.25
    bins = calibration_bins(confidence, np.array([True, False, True, True]))
    assert calibration_error(bins) == pytest.approx(wanted, abs=1e-6)


def test_confidence_that_equals_accuracy_has_no_calibration_error() -> None:
    right = np.array([1, 1, 1, 0, 1, 1, 1, 0], np.bool_)
    assert calibration_error(calibration_bins(np.full(8, 0.75, np.float32), right)) == 0.0


def test_being_sure_and_wrong_is_the_worst_calibration_error() -> None:
    sure = np.ones(8, np.float32)
    assert calibration_error(calibration_bins(sure, np.zeros(8, np.bool_))) == 1.0


def test_no_images_have_no_calibration_error() -> None:
    bins = calibration_bins(np.zeros(0, np.float32), np.zeros(0, np.bool_))
    assert math.isnan(calibration_error(bins))


@pytest.mark.parametrize("value", [1e30, -1e30, float("inf"), float("nan")])
def test_a_confidence_out_of_range_breaks_no_bin(value: float) -> None:
    bins = calibration_bins(np.array([value, 0.5], np.float32), np.array([True, True]))
    assert bins[5].images == 1
    assert sum(each.images for each in bins) == 1 + (abs(value) == 1e30)


@given(pairs=ANSWERS)
def test_balanced_accuracy_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    labels, answers = (np.array(["abcd".index(pair[side]) for pair in pairs]) for side in (0, 1))
    with warnings.catch_warnings():
        # Some answers are a label that no image has.
        warnings.simplefilter("ignore", UserWarning)
        wanted = balanced_accuracy_score(labels, answers)
    assert balanced_accuracy(labels, answers) == pytest.approx(wanted)


def test_always_answering_the_most_frequent_label_is_no_skill() -> None:
    labels = np.repeat([0, 1], [9, 1])
    answers = np.zeros(10, np.int64)
    assert majority_baseline(labels) == accuracy(labels, answers) == 0.9
    assert balanced_accuracy(labels, answers) == 0.5


def test_of_no_images_there_is_no_baseline() -> None:
    nothing = np.zeros(0, np.int64)
    assert math.isnan(balanced_accuracy(nothing, nothing))
    assert math.isnan(majority_baseline(nothing))
