"""What an index gives for a fused order: candidates, and products with vectors of some images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.errors import IndexDamagedError
from index.records import Floats, Ids
from index.vectors.choose import Plan
from index.vectors.faiss_index import FaissIndex
from index.vectors.ivf.build import BuildLimits, build_segment
from index.vectors.ivf.segment import SearchLimits

pytestmark = pytest.mark.slow

DIM, COUNT, NEW = 64, 3000, 200
IDS: Ids = 7 + np.arange(COUNT + NEW, dtype=np.int64)
K = 10
Likenesses = Callable[..., Floats]
KINDS = ("exact", "SQ8", "SQ6", "SQ4", "SQ8 alone")


@pytest.fixture(scope="module")
def unit(likenesses: Likenesses) -> Floats:
    """Vectors; the last `NEW` lie beside the segment, where there is one."""
    return likenesses(COUNT + NEW, DIM)


@pytest.fixture(scope="module")
def queries(likenesses: Likenesses) -> Floats:
    """Vectors like those."""
    return likenesses(50, DIM, seed=1)


def _index(kind: str, unit: Floats, ids: Ids = IDS) -> FaissIndex:
    index = FaissIndex(Path("nowhere"), DIM, "float16")
    if kind == "exact":
        index.add(ids, unit)
        return index
    beside = COUNT + NEW if kind.endswith("alone") else COUNT
    plan = Plan(lists=32, scan_dim=48, refine=kind.split()[0])
    first = (ids[:beside], unit[:beside])
    # Few enough allowed images would be compared one by one.
    search = SearchLimits(few=20)
    index.segment = build_segment(plan, first, [first], limits=BuildLimits(100), search=search)
    index.add(ids[beside:], unit[beside:])
    return index


@pytest.fixture(scope="module", params=KINDS)
def index(request: pytest.FixtureRequest, unit: Floats) -> FaissIndex:
    """An index of all vectors; not to be changed."""
    return _index(request.param, unit)


def test_the_nearest_are_among_the_candidates(
    index: FaissIndex, unit: Floats, queries: Floats
) -> None:
    found = []
    for query in queries:
        candidates = index.candidates(query, 100, K)
        assert len(np.unique(candidates)) == len(candidates) >= 100
        nearest = IDS[np.argsort(-(unit @ query))[:K]]
        found.append(np.isin(nearest, candidates).mean())
    assert np.mean(found) >= 0.98


@pytest.mark.parametrize("allowed", [5, 60, 1500])
def test_candidates_are_what_a_mask_allows(
    index: FaissIndex, unit: Floats, queries: Floats, allowed: int
) -> None:
    mask = np.sort(np.random.default_rng(2).choice(IDS, allowed, replace=False))
    found = []
    for query in queries:
        candidates = index.candidates(query, 40, K, mask)
        assert np.isin(candidates, mask).all()
        assert len(candidates) >= min(K, allowed)
        nearest = mask[np.argsort(-(unit[mask - IDS[0]] @ query))[:K]]
        found.append(np.isin(nearest, candidates).mean())
    assert np.mean(found) >= 0.95


def test_no_candidate_is_hidden(unit: Floats, queries: Floats) -> None:
    index = _index("SQ8", unit)
    gone = index.candidates(queries[0], 100, K)
    index.hide(gone)
    assert not np.isin(index.candidates(queries[0], 100, K), gone).any()


def test_an_empty_index_has_no_candidates(queries: Floats) -> None:
    index = FaissIndex(Path("nowhere"), DIM, "float16")
    assert not len(index.candidates(queries[0], 100, K))


def test_a_query_without_direction_has_candidates(unit: Floats) -> None:
    index = _index("SQ8", unit)
    assert len(index.candidates(np.zeros(DIM, np.float32), 100, K)) >= K


def test_a_segment_that_contradicts_itself_is_damaged(unit: Floats, queries: Floats) -> None:
    index = _index("SQ8", unit)
    assert index.segment is not None
    index.segment.ids = index.segment.ids[:3]
    with pytest.raises(IndexDamagedError, match="contradicts itself"):
        index.candidates(queries[0], 100, K)


def test_products_are_those_with_the_vectors(
    index: FaissIndex, unit: Floats, queries: Floats
) -> None:
    rows = np.sort(np.random.default_rng(3).choice(len(IDS), 700, replace=False))
    gathered = index.gathered(IDS[rows])
    assert gathered.known.all()
    for query in queries[:5]:
        held = index.vectors(IDS[rows]) @ query
        np.testing.assert_allclose(gathered.products(query), held, atol=1e-5)
        np.testing.assert_allclose(held, unit[rows] @ query, atol=0.1)


def test_vectors_are_combined_by_their_weights(index: FaissIndex) -> None:
    rng = np.random.default_rng(4)
    rows = np.sort(rng.choice(len(IDS), 300, replace=False))
    weights = np.where(rng.random(300) < 0.1, rng.random(300), 0).astype(np.float32)
    wanted = weights @ index.vectors(IDS[rows])
    np.testing.assert_allclose(index.gathered(IDS[rows]).combined(weights), wanted, atol=1e-5)


def test_images_taken_in_later_come_behind(index: FaissIndex, queries: Floats) -> None:
    first, more = IDS[::50], IDS[[3, COUNT + 5, 1]]
    gathered = index.gathered(first)
    before = gathered.products(queries[0])
    gathered.take_in(more)
    whole = gathered.products(queries[0])
    np.testing.assert_array_equal(whole[: len(first)], before)
    np.testing.assert_array_equal(whole[len(first) :], gathered.products(queries[0], len(first)))
    wanted = index.vectors(np.concatenate([first, more]))
    np.testing.assert_allclose(whole, wanted @ queries[0], atol=1e-5)
    np.testing.assert_allclose(gathered.products(queries[1]), wanted @ queries[1], atol=1e-5)
    ones = np.ones(len(wanted), np.float32)
    np.testing.assert_allclose(gathered.combined(ones), wanted.sum(axis=0), atol=1e-4)


def test_unknown_images_are_zeros(index: FaissIndex, queries: Floats) -> None:
    ids = np.array([-1, int(IDS[4]), int(IDS[-1]) + 1, 10**12], np.int64)
    gathered = index.gathered(ids)
    assert gathered.known.tolist() == [False, True, False, False]
    assert (gathered.products(queries[0]) != 0).tolist() == [False, True, False, False]


@pytest.mark.parametrize("gap", [0, 1, 1000])
def test_images_are_found_by_ids_with_gaps_and_without(unit: Floats, gap: int) -> None:
    ids = IDS + gap * (np.arange(len(IDS)) > 100)
    index = _index("SQ8", unit, ids)
    rows = [0, 99, 100, 101, COUNT - 1, COUNT, COUNT + NEW - 1]
    np.testing.assert_allclose(index.vectors(ids[rows]), unit[rows], atol=0.05)
    beyond = np.array([ids[0] - 1, ids[-1] + 1, -1], np.int64)
    between = ids[100] + 1 + np.arange(gap)
    assert not index.vectors(np.concatenate([beyond, between])).any()
