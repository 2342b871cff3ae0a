"""IVF lists are held against NumPy's comparison with every centroid and every vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Floats
from index.vectors.ivf.probe import MAX_MARGIN, InvertedLists
from index.vectors.ivf.rotation import Rotation
from index.vectors.ivf.segment import Segment
from index.vectors.mask import SegmentMask

COUNT, DIM, LISTS = 2000, 32, 16
MakeSegment = Callable[..., Segment]
Likenesses = Callable[..., Floats]


@pytest.fixture(scope="module")
def unit(likenesses: Likenesses) -> Floats:
    """The vectors in the lists."""
    return likenesses(COUNT, DIM)


@pytest.fixture(scope="module")
def inner(make_segment: MakeSegment, unit: Floats) -> Any:
    """FAISS's index of them."""
    return make_segment(np.arange(COUNT, dtype=np.int64), unit, lists=LISTS).inner


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


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.2, MAX_MARGIN])
@pytest.mark.parametrize("queries", [1, 50])
def test_lists_within_the_margin_of_the_nearest_centroid_are_probed(
    lists: InvertedLists, centroids: Floats, projected: Floats, margin: float, queries: int
) -> None:
    probes = lists.probe(projected[:queries], margin)
    scores = projected[:queries] @ centroids.T
    for row in range(queries):
        right = np.flatnonzero(scores[row] >= scores[row].max() - margin)
        assert probes.of(row).tolist() == right.tolist()
        found = probes.scores[row, : len(right)]
        np.testing.assert_allclose(found, scores[row, right], rtol=0, atol=1e-6)


@pytest.mark.parametrize("most", [1, 5, LISTS - 1, LISTS, 100])
def test_no_more_lists_are_probed_than_asked_for(
    lists: InvertedLists, centroids: Floats, projected: Floats, most: int
) -> None:
    probes = lists.probe(projected, MAX_MARGIN, most)
    order = np.argsort(-(projected @ centroids.T), axis=1)[:, :most]
    assert [set(probes.of(row)) for row in range(len(projected))] == [set(row) for row in order]


def test_every_vector_lies_in_the_list_of_its_nearest_centroid(
    lists: InvertedLists, inner: Any, centroids: Floats, unit: Floats
) -> None:
    projection = faiss.downcast_VectorTransform(faiss.downcast_index(inner.base_index).chain.at(0))
    scores = projection.apply(Rotation(DIM)(unit)) @ centroids.T
    chosen = np.take_along_axis(scores, lists.list_of[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(chosen, scores.max(axis=1), rtol=0, atol=1e-6)


def test_a_vector_s_list_is_probed_with_the_margin_it_is_said_to_need(
    lists: InvertedLists, projected: Floats
) -> None:
    positions = np.random.default_rng(0).integers(0, COUNT, (len(projected), 20))
    needed = lists.margins_needed(projected, positions)
    for row, (margins, row_positions) in enumerate(zip(needed, positions, strict=True)):
        median = float(np.median(margins))
        probes = lists.probe(projected[row : row + 1], median + 1e-6).of(0)
        inside = lists.list_of[row_positions]
        assert np.isin(inside[margins <= median], probes).all()
        assert not np.isin(inside[margins > median + 1e-5], probes).any()


@pytest.mark.parametrize("queries", [1, 3, 50])
def test_a_scan_of_all_lists_finds_nearly_all_that_is_nearest(
    lists: InvertedLists, unit: Floats, likenesses: Likenesses, queries: int
) -> None:
    drawn = likenesses(50, DIM, seed=1)[:queries]
    projected = lists.project(Rotation(DIM)(drawn))
    found = lists.scan(projected, lists.probe(projected, MAX_MARGIN), 100, None)
    nearest = np.argsort(-(drawn @ unit.T), axis=1)[:, :10]
    assert np.mean([np.isin(*pair).mean() for pair in zip(nearest, found, strict=True)]) >= 0.97


@given(seed=st.integers(0, 2**32), share=st.floats(0, 1), margin=st.floats(0, 1))
def test_a_scan_finds_only_what_is_allowed_in_probed_lists(
    lists: InvertedLists, projected: Floats, seed: int, share: float, margin: float
) -> None:
    mask = SegmentMask.of(np.random.default_rng(seed).random(COUNT) < share)
    probes = lists.probe(projected[:4], margin)
    found = lists.scan(projected[:4], probes, COUNT, mask.selector)
    for row in range(4):
        right = mask.allowed & np.isin(lists.list_of, probes.of(row))
        there = found[row][found[row] >= 0]
        assert np.sort(there).tolist() == np.flatnonzero(right).tolist()


@given(seed=st.integers(0, 2**32), share=st.floats(0, 1))
def test_positions_list_by_list_are_those_of_the_mask(
    lists: InvertedLists, seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    mask = SegmentMask.of(rng.random(COUNT) < share).grouped(lists.list_of, LISTS)
    assert mask.by_list is not None
    some = np.flatnonzero(rng.random(LISTS) < 0.5)
    right = mask.allowed & np.isin(lists.list_of, some)
    assert np.sort(mask.by_list.positions_in(some)).tolist() == np.flatnonzero(right).tolist()
