"""Arranged vectors are held against numpy, which compares every query with every vector."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.records import Floats, Ids
from index.vectors.ivf import FEW, SPARSE, CompressedVectors

DIM = 64
COUNT = 3000
# How far the score of a code of 8 bits a number may lie from the cosine, where a number of the
# vector lies beyond all that the codes were fitted to; as a rule it is a tenth of that.
NEAR = 0.02

Arrange = Callable[..., CompressedVectors]
Likenesses = Callable[..., Floats]


@pytest.fixture(scope="module")
def ids() -> Ids:
    """Ids far apart, some beyond 32 bits, ascending as a catalog gives them."""
    return np.sort(np.random.default_rng(1).choice(2**40, COUNT, replace=False)).astype(np.int64)


@pytest.fixture(scope="module")
def unit(likenesses: Likenesses) -> Floats:
    """The vectors under `ids`."""
    return likenesses(COUNT, DIM)


@pytest.fixture(scope="module")
def queries(likenesses: Likenesses) -> Floats:
    """Vectors like those of the index, but none of them."""
    return likenesses(100, DIM, seed=1)


@pytest.fixture(scope="module")
def built(arrange: Arrange, ids: Ids, unit: Floats) -> CompressedVectors:
    """All of them arranged; nothing is hidden in it."""
    return arrange(ids, unit, lists=32, scan_dim=48, queries=100)


@pytest.fixture
def arranged(built: CompressedVectors) -> CompressedVectors:
    """The same, to hide images in."""
    return CompressedVectors(built.inner, built.ids, built.inverse, built.tuning, built.trained_on)


def _nearest(queries: Floats, ids: Ids, unit: Floats, k: int) -> list[set[int]]:
    order = np.argsort(-(queries @ unit.T), axis=1, kind="stable")[:, :k]
    return [set(row) for row in ids[order].tolist()]


def _recall(found: Ids, nearest: list[set[int]]) -> float:
    shares = [
        len(set(row) & right) / len(right)
        for row, right in zip(found.tolist(), nearest, strict=True)
    ]
    return float(np.mean(shares))


def _check_whole(found: Ids, scores: Floats, k: int, allowed: set[int]) -> None:
    """Insist on as many results as there can be, each once, each allowed, best first."""
    there = min(k, len(allowed))
    assert found.shape == scores.shape == (len(found), k)
    for row, row_scores in zip(found.tolist(), scores, strict=True):
        assert len(set(row[:there])) == there
        assert set(row[:there]) <= allowed
        assert row[there:] == [-1] * (k - there)
        assert np.all(row_scores[there:] == -1)
        assert np.all(np.diff(row_scores[:there]) <= 0)


@pytest.mark.slow
def test_nearly_all_of_the_nearest_are_found(
    built: CompressedVectors, ids: Ids, unit: Floats, queries: Floats
) -> None:
    _, found = built.search(queries, 10)
    assert _recall(found, _nearest(queries, ids, unit, 10)) >= 0.97


@pytest.mark.parametrize("k", [100, 1000])
def test_nearly_all_of_many_that_are_near_are_found(
    built: CompressedVectors, ids: Ids, unit: Floats, queries: Floats, k: int
) -> None:
    _, found = built.search(queries[:20], k)
    assert _recall(found, _nearest(queries[:20], ids, unit, k)) >= 0.97


def test_the_recall_it_tells_of_itself_is_what_is_found(
    built: CompressedVectors, ids: Ids, unit: Floats, queries: Floats
) -> None:
    _, found = built.search(queries, 10)
    recall = _recall(found, _nearest(queries, ids, unit, 10))
    assert built.tuning.recall == pytest.approx(recall, abs=0.02)


def test_an_image_of_the_index_is_its_own_nearest(
    built: CompressedVectors, ids: Ids, unit: Floats
) -> None:
    scores, found = built.search(unit[::30], 1)
    assert found[:, 0].tolist() == ids[::30].tolist()
    assert scores[:, 0] == pytest.approx(1, abs=NEAR)


def test_scores_are_cosines(
    built: CompressedVectors, ids: Ids, unit: Floats, queries: Floats
) -> None:
    scores, found = built.search(queries, 50)
    places = np.searchsorted(ids, found)
    cosines = np.take_along_axis(queries @ unit.T, places, axis=1)
    np.testing.assert_allclose(scores, cosines, rtol=0, atol=NEAR)
    assert np.mean(np.abs(scores - cosines)) < NEAR / 10


def test_queries_at_once_are_answered_as_one_by_one(
    built: CompressedVectors, queries: Floats
) -> None:
    scores, found = built.search(queries[:40], 20)
    alone = [built.search(query[None], 20) for query in queries[:40]]
    np.testing.assert_allclose(scores, np.concatenate([each for each, _ in alone]), atol=1e-6)
    same = found == np.concatenate([each for _, each in alone])
    assert np.mean(same) > 0.999, "only twins may stand in another order"


def test_no_queries_at_all_are_answered_with_nothing(built: CompressedVectors) -> None:
    scores, found = built.search(np.zeros((0, DIM), np.float32), 5)
    assert scores.shape == found.shape == (0, 5)


@pytest.mark.parametrize("k", [1, COUNT - 1, COUNT, COUNT + 1, 2 * COUNT])
def test_however_many_are_asked_for_all_that_exist_are_found(
    built: CompressedVectors, ids: Ids, queries: Floats, k: int
) -> None:
    scores, found = built.search(queries[:3], k)
    _check_whole(found, scores, k, set(ids.tolist()))


def test_far_more_than_exist_may_be_asked_for(
    built: CompressedVectors, ids: Ids, queries: Floats
) -> None:
    scores, found = built.search(queries[:1], 3_000_000)
    _check_whole(found, scores, 3_000_000, set(ids.tolist()))


@settings(max_examples=60, deadline=None)
@given(
    share=st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.33, 0.34, 0.5, 0.9, 0.999, 1.0]),
    hidden=st.sampled_from([0.0, 0.01, 0.5, 0.99]),
    k=st.sampled_from([1, 2, 10, 40, 300, 1500, COUNT]),
    cluster=st.booleans(),
    sparse=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_k_are_found_wherever_k_are_allowed(
    built: CompressedVectors,
    ids: Ids,
    unit: Floats,
    queries: Floats,
    share: float,
    hidden: float,
    k: int,
    cluster: bool,
    sparse: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    mine = CompressedVectors(built.inner, ids, built.inverse, built.tuning, COUNT)
    query = queries[rng.integers(0, len(queries), 2)]
    # Those farthest from the query are the hardest to come upon.
    value = unit @ query[0] if cluster else rng.random(COUNT)
    allowed = np.argsort(value)[: round(share * COUNT)]
    gone = rng.random(COUNT) < hidden
    mine.hide(ids[gone])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("index.vectors.ivf.FEW", 0 if sparse else FEW)
        patch.setattr("index.vectors.ivf.SPARSE", 1 if sparse else SPARSE)
        within = mine.within(ids[allowed])
        scores, found = mine.search(query, k, within)
    _check_whole(found, scores, k, set(ids[allowed].tolist()) - set(ids[gone].tolist()))


@pytest.mark.parametrize("allowed", [[], [5], [2**50, -3]], ids=["none", "one unknown", "unknown"])
def test_nothing_is_found_where_nothing_that_exists_is_allowed(
    built: CompressedVectors, queries: Floats, allowed: list[int]
) -> None:
    scores, found = built.search(queries[:2], 4, built.within(np.array(allowed, np.int64)))
    _check_whole(found, scores, 4, set())


@pytest.mark.parametrize("count", [1, 7, 200, FEW])
def test_among_few_all_that_is_nearest_is_found_in_order(
    built: CompressedVectors, ids: Ids, unit: Floats, queries: Floats, count: int
) -> None:
    chosen = np.sort(np.random.default_rng(count).choice(COUNT, count, replace=False))
    scores, _ = built.search(queries[:10], count, built.within(ids[chosen]))
    cosines = -np.sort(-(queries[:10] @ unit[chosen].T), axis=1)
    np.testing.assert_allclose(scores, cosines, rtol=0, atol=NEAR)


def test_a_filter_that_lets_through_two_fifths_costs_no_recall(
    built: CompressedVectors, ids: Ids, unit: Floats, queries: Floats
) -> None:
    allowed = np.sort(np.random.default_rng(0).choice(COUNT, FEW + 200, replace=False))
    _, found = built.search(queries, 10, built.within(ids[allowed]))
    assert _recall(found, _nearest(queries, ids[allowed], unit[allowed], 10)) >= 0.97


def test_where_few_of_many_are_allowed_they_are_compared_one_by_one_and_no_less_is_found(
    built: CompressedVectors,
    ids: Ids,
    unit: Floats,
    queries: Floats,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allowed = np.sort(np.random.default_rng(0).choice(COUNT, 500, replace=False))
    monkeypatch.setattr("index.vectors.ivf.FEW", 0)
    scanned = built.within(ids[allowed])
    monkeypatch.setattr("index.vectors.ivf.SPARSE", 2)
    sparse = built.within(ids[allowed])
    assert (scanned.by_list is None, sparse.by_list is None) == (True, False)
    nearest = _nearest(queries, ids[allowed], unit[allowed], 10)
    scores, found = built.search(queries, 10, sparse)
    _check_whole(found, scores, 10, set(ids[allowed].tolist()))
    assert _recall(found, nearest) >= 0.97
    assert _recall(found, nearest) >= _recall(built.search(queries, 10, scanned)[1], nearest) - 0.01


def test_what_is_hidden_is_never_found(arranged: CompressedVectors, ids: Ids, unit: Floats) -> None:
    gone = ids[::2]
    arranged.hide(gone)
    scores, found = arranged.search(unit[:4], COUNT)
    _check_whole(found, scores, COUNT, set(ids[1::2].tolist()))
    assert len(arranged) == COUNT // 2
    assert arranged.visible_ids.tolist() == ids[1::2].tolist()
    assert arranged.hidden.tolist() == list(range(0, COUNT, 2))


def test_what_is_hidden_is_not_found_either_where_it_is_allowed(
    arranged: CompressedVectors, ids: Ids, unit: Floats
) -> None:
    arranged.hide(ids[:5])
    scores, found = arranged.search(unit[:1], 10, arranged.within(ids[:8]))
    _check_whole(found, scores, 10, set(ids[5:8].tolist()))


def test_hiding_twice_is_hiding_once(arranged: CompressedVectors, ids: Ids) -> None:
    arranged.hide(ids[:3])
    arranged.hide(ids[1:4])
    assert (len(arranged), arranged.total) == (COUNT - 4, COUNT)


def test_hiding_what_is_not_there_hides_nothing(arranged: CompressedVectors, ids: Ids) -> None:
    beside = np.array([-1, 0, int(ids[7]) + 1, 2**60], np.int64)
    arranged.hide(beside)
    arranged.hide(np.zeros(0, np.int64))
    assert len(arranged) == COUNT


def test_with_everything_hidden_nothing_is_found(
    arranged: CompressedVectors, ids: Ids, queries: Floats
) -> None:
    arranged.hide(ids)
    scores, found = arranged.search(queries[:2], 3)
    _check_whole(found, scores, 3, set())


def test_it_says_what_it_is(built: CompressedVectors) -> None:
    assert built.kind == "IVF32, PQ24x4fs, SQ8"
    assert (built.lists, built.refine, built.trained_on) == (32, "SQ8", COUNT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("refine", "near", "least"), [("SQ8", 0.01, 0.95), ("SQ6", 0.03, 0.9), ("SQ4", 0.12, 0.7)]
)
def test_finer_codes_tell_finer_differences(
    arrange: Arrange, likenesses: Likenesses, refine: str, near: float, least: float
) -> None:
    ids, unit = np.arange(1500, dtype=np.int64), likenesses(1500, 32)
    built = arrange(ids, unit, refine=refine)
    assert built.kind == f"IVF16, PQ16x4fs, {refine}"
    queries = likenesses(50, 32, seed=1)
    scores, found = built.search(queries, 10)
    cosines = np.take_along_axis(queries @ unit.T, found, axis=1)
    np.testing.assert_allclose(scores, cosines, rtol=0, atol=near)
    assert _recall(found, _nearest(queries, ids, unit, 10)) >= least


@pytest.mark.parametrize("count", [16, 17, 20, 21, 22, 40])
def test_hardly_more_images_than_lists_can_be_arranged(
    arrange: Arrange, likenesses: Likenesses, count: int
) -> None:
    ids, unit = np.arange(count, dtype=np.int64), likenesses(count, 8)
    scores, found = arrange(ids, unit).search(unit, count)
    _check_whole(found, scores, count, set(range(count)))
    assert np.mean(found[:, 0] == ids) > 0.9


@pytest.mark.parametrize("dim", [1, 7, 12])
def test_a_dim_may_be_any_number(arrange: Arrange, likenesses: Likenesses, dim: int) -> None:
    ids, unit = np.arange(1100, dtype=np.int64), likenesses(1100, dim)
    scores, found = arrange(ids, unit).search(unit[:20], 1100)
    _check_whole(found, scores, 1100, set(range(1100)))


def test_images_that_look_exactly_alike_are_all_found(
    arrange: Arrange, likenesses: Likenesses
) -> None:
    originals = likenesses(75, 32)
    ids, unit = np.arange(1500, dtype=np.int64), np.repeat(originals, 20, axis=0)
    built = arrange(ids, unit)
    scores, found = built.search(originals, 20)
    assert np.sort(found, axis=1).tolist() == ids.reshape(75, 20).tolist()
    assert scores == pytest.approx(1, abs=NEAR)
    assert built.tuning.recall == 1
    near = built.lists_within(originals, built.tuning.gaps[0][1])
    assert near < built.lists, "twins are no reason to look everywhere"


@pytest.mark.slow
def test_images_without_any_direction_are_found_with_a_score_of_nothing(
    arrange: Arrange, likenesses: Likenesses
) -> None:
    ids, unit = np.arange(1500, dtype=np.int64), likenesses(1500, 32)
    unit[::10] = 0
    scores, found = arrange(ids, unit).search(unit[1:9], 1500)
    _check_whole(found, scores, 1500, set(range(1500)))
    nothing = np.isin(found, ids[::10])
    assert np.all(np.abs(scores[nothing]) < NEAR)
    assert np.all(np.abs(scores) < 1 + NEAR)


def test_a_query_without_any_direction_finds_as_many_as_any_other(
    built: CompressedVectors, ids: Ids
) -> None:
    scores, found = built.search(np.zeros((1, DIM), np.float32), 30)
    _check_whole(found, scores, 30, set(ids.tolist()))
    assert scores == pytest.approx(0, abs=1e-6)


def test_a_catalog_of_one_image_over_and_over_is_found_whole(
    arrange: Arrange, likenesses: Likenesses
) -> None:
    ids, unit = np.arange(1200, dtype=np.int64), np.repeat(likenesses(1, 32), 1200, axis=0)
    built = arrange(ids, unit)
    # Seen from its opposite, too, where rounding makes a score less than that of nothing.
    for query in (unit[:1], -unit[:1]):
        scores, found = built.search(query, 1300)
        _check_whole(found, scores, 1300, set(range(1200)))


def test_the_same_vectors_are_arranged_in_the_same_way(
    arrange: Arrange, likenesses: Likenesses
) -> None:
    ids, unit = np.arange(600, dtype=np.int64), likenesses(600, 16)
    one, other = (arrange(ids, unit) for _ in range(2))
    assert one.tuning == other.tuning
    assert one.key != other.key, "each arrangement is told from every other"
    for mine, its in zip(one.search(unit[:50], 20), other.search(unit[:50], 20), strict=True):
        assert mine.tolist() == its.tolist()
