"""Inverted lists are held against NumPy's comparison with every centroid and every vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Floats
from index.vectors.ivf import CompressedVectors
from index.vectors.ivf_probe import EVERYTHING, InvertedLists
from index.vectors.mask import Within
from index.vectors.rotation import Rotation

COUNT, DIM, LISTS = 2000, 32, 16
Arrange = Callable[..., CompressedVectors]
Likenesses = Callable[..., Floats]


@pytest.fixture(scope="module")
def unit(likenesses: Likenesses) -> Floats:
    """The vectors in the lists."""
    return likenesses(COUNT, DIM)


@pytest.fixture(scope="module")
def inner(arrange: Arrange, unit: Floats) -> Any:
    """FAISS's index of them."""
    return arrange(np.arange(COUNT, dtype=np.int64), unit, lists=LISTS).inner


@pytest.fixture(scope="module")
def lists(inner: Any) -> InvertedLists:
    """The lists."""
    return InvertedLists(faiss.downcast_index(inner.base_index))


@pytest.fixture(scope="module")
def projected(likenesses: Likenesses) -> Floats:
    """Queries as the lists see them."""
    return likenesses(50, DIM, seed=1)


@pytest.fixture(scope="module")
def centroids(inner: Any) -> Floats:
    """The centroids, by FAISS's own account."""
    index = faiss.downcast_index(faiss.downcast_index(inner.base_index).index)
    read: Floats = faiss.downcast_index(index.quantizer).reconstruct_n(0, LISTS)
    return read


@pytest.mark.parametrize("gap", [0.0, 0.05, 0.2, EVERYTHING])
@pytest.mark.parametrize("queries", [1, 50])
def test_lists_are_near_whose_centroid_is_hardly_less_similar_than_the_nearest(
    lists: InvertedLists, centroids: Floats, projected: Floats, gap: float, queries: int
) -> None:
    near = lists.near(projected[:queries], gap)
    scores = projected[:queries] @ centroids.T
    for row in range(queries):
        right = np.flatnonzero(scores[row] >= scores[row].max() - gap)
        assert near.of(row).tolist() == right.tolist()
        found = near.scores[row, : len(right)]
        np.testing.assert_allclose(found, scores[row, right], rtol=0, atol=1e-6)


@pytest.mark.parametrize("most", [1, 5, LISTS - 1, LISTS, 100])
def test_no_more_lists_are_near_than_are_worth_it(
    lists: InvertedLists, centroids: Floats, projected: Floats, most: int
) -> None:
    near = lists.near(projected, EVERYTHING, most)
    order = np.argsort(-(projected @ centroids.T), axis=1)[:, :most]
    assert [set(near.of(row)) for row in range(len(projected))] == [set(row) for row in order]


def test_every_vector_lies_in_the_list_of_its_nearest_centroid(
    lists: InvertedLists, inner: Any, centroids: Floats, unit: Floats
) -> None:
    projection = faiss.downcast_VectorTransform(faiss.downcast_index(inner.base_index).chain.at(0))
    scores = projection.apply(Rotation(DIM)(unit)) @ centroids.T
    chosen = np.take_along_axis(scores, lists.list_of[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(chosen, scores.max(axis=1), rtol=0, atol=1e-6)


def test_a_vector_is_looked_into_with_the_gap_it_is_said_to_need(
    lists: InvertedLists, projected: Floats
) -> None:
    places = np.random.default_rng(0).integers(0, COUNT, (len(projected), 20))
    needed = lists.gaps_needed(projected, places)
    for row, (gaps, row_places) in enumerate(zip(needed, places, strict=True)):
        near = lists.near(projected[row : row + 1], float(np.median(gaps)) + 1e-6).of(0)
        assert np.isin(lists.list_of[row_places[gaps <= np.median(gaps)]], near).all()
        assert not np.isin(lists.list_of[row_places[gaps > np.median(gaps) + 1e-5]], near).any()


@pytest.mark.parametrize("queries", [1, 3, 50])
def test_a_scan_of_all_lists_finds_nearly_all_that_is_nearest(
    lists: InvertedLists, unit: Floats, likenesses: Likenesses, queries: int
) -> None:
    drawn = likenesses(50, DIM, seed=1)[:queries]
    projected = lists.project(Rotation(DIM)(drawn))
    found = lists.scan(projected, lists.near(projected, EVERYTHING), 100, None)
    nearest = np.argsort(-(drawn @ unit.T), axis=1)[:, :10]
    assert np.mean([np.isin(*pair).mean() for pair in zip(nearest, found, strict=True)]) >= 0.97


@given(seed=st.integers(0, 2**32), share=st.floats(0, 1), gap=st.floats(0, 1))
def test_a_scan_finds_only_what_is_allowed_and_lies_in_near_lists(
    lists: InvertedLists, projected: Floats, seed: int, share: float, gap: float
) -> None:
    within = Within.of(np.random.default_rng(seed).random(COUNT) < share)
    near = lists.near(projected[:4], gap)
    found = lists.scan(projected[:4], near, COUNT, within.selector)
    for row in range(4):
        right = within.mask & np.isin(lists.list_of, near.of(row))
        there = found[row][found[row] >= 0]
        assert np.sort(there).tolist() == np.flatnonzero(right).tolist()


@given(seed=st.integers(0, 2**32), share=st.floats(0, 1))
def test_positions_list_by_list_are_those_of_the_mask(
    lists: InvertedLists, seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    within = Within.of(rng.random(COUNT) < share).arranged(lists.list_of, LISTS)
    assert within.by_list is not None
    some = np.flatnonzero(rng.random(LISTS) < 0.5)
    right = within.mask & np.isin(lists.list_of, some)
    assert np.sort(within.by_list.places_in(some)).tolist() == np.flatnonzero(right).tolist()
