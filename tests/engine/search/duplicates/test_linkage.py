"""Complete linkage: every two of a group are alike, whatever order the pairs come in."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.search.duplicates.linkage import Linked, batches, complete_linkage
from index.records import Floats, Ids

BOUNDS = st.sampled_from([-1.0, 0.0, 0.5, 0.8, 0.95, 1.0])


def drawn(seed: int, count: int) -> Floats:
    """Draw vectors of three numbers, of which many are alike."""
    vectors: Floats = np.random.default_rng(seed).normal(1, 0.7, (count, 3)).astype(np.float32)
    return vectors


def every_pair(count: int) -> Ids:
    return np.array(list(combinations(range(count), 2)), np.int64).reshape(-1, 2)


def on_a_circle(*degrees: float) -> Floats:
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def cosine(degrees: float) -> float:
    return round(float(np.cos(np.radians(degrees))), 6)


def rows(found: list[Linked]) -> list[list[int]]:
    return sorted(each.rows for each in found)


def cosines(vectors: Floats) -> Floats:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    table: Floats = unit @ unit.T
    return table


@given(seed=st.integers(0, 1000), count=st.integers(2, 14), bound=BOUNDS)
def test_every_two_of_a_group_pass_the_bound(seed: int, count: int, bound: float) -> None:
    vectors = drawn(seed, count)
    table = cosines(vectors)
    for each in complete_linkage(vectors, every_pair(count), bound):
        least = table[np.ix_(each.rows, each.rows)].min()
        assert each.lowest == pytest.approx(least, abs=1e-5)
        assert each.lowest >= bound


@given(seed=st.integers(0, 1000), count=st.integers(2, 14), bound=BOUNDS)
def test_no_two_groups_could_be_one(seed: int, count: int, bound: float) -> None:
    vectors = drawn(seed, count)
    table = cosines(vectors)
    groups = rows(complete_linkage(vectors, every_pair(count), bound))
    alone = set(range(count)) - {row for group in groups for row in group}
    for one, other in combinations([*groups, *([row] for row in alone)], 2):
        assert table[np.ix_(one, other)].min() < bound + 1e-5


@given(seed=st.integers(0, 1000), count=st.integers(2, 14), bound=BOUNDS)
def test_the_order_of_the_pairs_changes_nothing(seed: int, count: int, bound: float) -> None:
    vectors, pairs = drawn(seed, count), every_pair(count)
    shuffled = np.random.default_rng(seed).permutation(pairs)
    assert complete_linkage(vectors, shuffled, bound) == complete_linkage(vectors, pairs, bound)


def test_a_chain_is_parted() -> None:
    vectors = on_a_circle(0, 10, 21, 31)
    pairs = np.array([[0, 1], [1, 2], [2, 3]])
    found = complete_linkage(vectors, pairs, cosine(12))
    assert rows(found) == [[0, 1], [2, 3]]
    assert [each.lowest for each in found] == [cosine(10)] * 2


def test_the_lowest_score_is_that_of_the_two_ends() -> None:
    [found] = complete_linkage(on_a_circle(0, 5, 12), every_pair(3), cosine(15))
    assert found == Linked([0, 1, 2], cosine(12))


def test_pairs_that_nobody_listed_are_compared_before_groups_are_merged() -> None:
    listed = np.array([[0, 1], [1, 2]])
    assert rows(complete_linkage(on_a_circle(0, 5, 12), listed, cosine(8))) == [[0, 1]]


def test_a_pair_below_the_bound_is_no_group() -> None:
    assert complete_linkage(on_a_circle(0, 20), every_pair(2), cosine(19)) == []


def test_the_same_vector_at_any_length_passes_the_bound_of_1() -> None:
    vectors = np.array([[0.6, 0.8], [3, 4]], np.float32)
    assert complete_linkage(vectors, every_pair(2), 1.0) == [Linked([0, 1], 1.0)]


def test_of_very_many_that_are_nearly_the_same_the_lowest_score_is_exact() -> None:
    degrees = np.random.default_rng(0).uniform(0, 8, 1500)
    listed = np.array([[0, number] for number in range(1, 1500)])
    [found] = complete_linkage(on_a_circle(*degrees), listed, cosine(18))
    assert len(found.rows) == 1500
    assert found.lowest == pytest.approx(cosine(np.ptp(degrees)), abs=2e-6)


def test_an_embedding_of_zeros_is_like_nothing() -> None:
    vectors = np.array([[0, 0], [1, 0], [1, 0]], np.float32)
    assert rows(complete_linkage(vectors, every_pair(3), 0.5)) == [[1, 2]]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40), st.integers(1, 50))
def test_batches_hold_every_pair_once(listed: list[tuple[int, int]], size: int) -> None:
    pairs = np.array(listed, np.int64).reshape(-1, 2)
    found = [tuple(pair) for part in batches(pairs, size) for pair in part.tolist()]
    assert sorted(found) == sorted(listed)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40), st.integers(1, 50))
def test_pairs_that_hang_together_are_in_one_batch(
    listed: list[tuple[int, int]], size: int
) -> None:
    pairs = np.array(listed, np.int64).reshape(-1, 2)
    parts = [set(part.ravel().tolist()) for part in batches(pairs, size)]
    assert all(one.isdisjoint(other) for one, other in combinations(parts, 2))


def test_batches_are_no_larger_than_they_must_be() -> None:
    pairs = np.array([[2 * number, 2 * number + 1] for number in range(100)])
    assert {len(part) for part in batches(pairs, 10)} == {10}


def test_a_long_chain_is_one_batch() -> None:
    pairs = np.array([[number, number + 1] for number in range(500)])
    assert len(list(batches(np.random.default_rng(0).permutation(pairs), 10))) == 1
