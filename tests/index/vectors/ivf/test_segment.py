"""A segment is held against NumPy, which compares every query with every vector."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.records import Floats, Ids
from index.vectors.ivf.segment import SearchLimits, Segment
from tests.support.nearest import check_whole, nearest, recall

DIM = 64
COUNT = 3000
FEW = SearchLimits().few
# How far the score of a code of 8 bits a component may lie from the cosine, where a component of
# the vector lies beyond all that the codes were fitted to; as a rule it is a tenth of that.
TOLERANCE = 0.02

MakeSegment = Callable[..., Segment]
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
def built(make_segment: MakeSegment, ids: Ids, unit: Floats) -> Segment:
    """A segment of all of them; nothing is hidden in it."""
    return make_segment(ids, unit, lists=32, scan_dim=48, queries=100)


@pytest.fixture
def segment(built: Segment) -> Segment:
    """The same, to hide images in."""
    return _limited(built, SearchLimits())


def _limited(built: Segment, limits: SearchLimits) -> Segment:
    """Return a segment of the same codes that is searched in other ways."""
    return Segment(
        built.inner, built.ids, built.inverse_lengths, built.autotuned, COUNT, limits=limits
    )


@pytest.mark.slow
def test_nearly_all_of_the_nearest_are_found(
    built: Segment, ids: Ids, unit: Floats, queries: Floats
) -> None:
    _, found = built.search(queries, 10)
    assert recall(found, nearest(queries, ids, unit, 10)) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("k", [100, 1000])
def test_nearly_all_of_many_that_are_near_are_found(
    built: Segment, ids: Ids, unit: Floats, queries: Floats, k: int
) -> None:
    _, found = built.search(queries[:20], k)
    assert recall(found, nearest(queries[:20], ids, unit, k)) >= 0.97


@pytest.mark.slow
def test_the_recall_it_tells_of_itself_is_what_is_found(
    built: Segment, ids: Ids, unit: Floats, queries: Floats
) -> None:
    _, found = built.search(queries, 10)
    reached = recall(found, nearest(queries, ids, unit, 10))
    assert built.autotuned.recall == pytest.approx(reached, abs=0.02)


@pytest.mark.slow
def test_an_image_of_the_index_is_its_own_nearest(built: Segment, ids: Ids, unit: Floats) -> None:
    scores, found = built.search(unit[::30], 1)
    assert found[:, 0].tolist() == ids[::30].tolist()
    assert scores[:, 0] == pytest.approx(1, abs=TOLERANCE)


def test_scores_are_cosines(built: Segment, ids: Ids, unit: Floats, queries: Floats) -> None:
    scores, found = built.search(queries, 50)
    positions = np.searchsorted(ids, found)
    cosines = np.take_along_axis(queries @ unit.T, positions, axis=1)
    np.testing.assert_allclose(scores, cosines, rtol=0, atol=TOLERANCE)
    assert np.mean(np.abs(scores - cosines)) < TOLERANCE / 10


def test_queries_at_once_are_answered_as_one_by_one(built: Segment, queries: Floats) -> None:
    scores, found = built.search(queries[:40], 20)
    alone = [built.search(query[None], 20) for query in queries[:40]]
    np.testing.assert_allclose(scores, np.concatenate([each for each, _ in alone]), atol=1e-6)
    same = found == np.concatenate([each for _, each in alone])
    assert np.mean(same) > 0.999, "only twins may stand in another order"


def test_no_queries_at_all_are_answered_with_nothing(built: Segment) -> None:
    scores, found = built.search(np.zeros((0, DIM), np.float32), 5)
    assert scores.shape == found.shape == (0, 5)


@pytest.mark.parametrize("k", [1, COUNT - 1, COUNT, COUNT + 1, 2 * COUNT])
def test_however_many_are_asked_for_all_that_exist_are_found(
    built: Segment, ids: Ids, queries: Floats, k: int
) -> None:
    scores, found = built.search(queries[:3], k)
    check_whole(found, scores, k, set(ids.tolist()))


def test_far_more_than_exist_may_be_asked_for(built: Segment, ids: Ids, queries: Floats) -> None:
    scores, found = built.search(queries[:1], 3_000_000)
    check_whole(found, scores, 3_000_000, set(ids.tolist()))


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
    built: Segment,
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
    mine = _limited(built, SearchLimits(few=0, sparse=1) if sparse else SearchLimits())
    query = queries[rng.integers(0, len(queries), 2)]
    # Those farthest from the query are the hardest to come upon.
    value = unit @ query[0] if cluster else rng.random(COUNT)
    allowed = np.argsort(value)[: round(share * COUNT)]
    gone = rng.random(COUNT) < hidden
    mine.hide(ids[gone])
    scores, found = mine.search(query, k, mine.mask(ids[allowed]))
    check_whole(found, scores, k, set(ids[allowed].tolist()) - set(ids[gone].tolist()))


@pytest.mark.parametrize("allowed", [[], [5], [2**50, -3]], ids=["none", "one unknown", "unknown"])
def test_nothing_is_found_where_nothing_that_exists_is_allowed(
    built: Segment, queries: Floats, allowed: list[int]
) -> None:
    scores, found = built.search(queries[:2], 4, built.mask(np.array(allowed, np.int64)))
    check_whole(found, scores, 4, set())


@pytest.mark.parametrize("count", [1, 7, 200, FEW])
def test_among_few_all_that_is_nearest_is_found_in_order(
    built: Segment, ids: Ids, unit: Floats, queries: Floats, count: int
) -> None:
    chosen = np.sort(np.random.default_rng(count).choice(COUNT, count, replace=False))
    scores, _ = built.search(queries[:10], count, built.mask(ids[chosen]))
    cosines = -np.sort(-(queries[:10] @ unit[chosen].T), axis=1)
    np.testing.assert_allclose(scores, cosines, rtol=0, atol=TOLERANCE)


def test_a_filter_that_lets_through_two_fifths_costs_no_recall(
    built: Segment, ids: Ids, unit: Floats, queries: Floats
) -> None:
    allowed = np.sort(np.random.default_rng(0).choice(COUNT, FEW + 200, replace=False))
    _, found = built.search(queries, 10, built.mask(ids[allowed]))
    assert recall(found, nearest(queries, ids[allowed], unit[allowed], 10)) >= 0.97


def test_a_sparse_mask_is_reranked_one_by_one_and_no_less_is_found(
    built: Segment, ids: Ids, unit: Floats, queries: Floats
) -> None:
    allowed = np.sort(np.random.default_rng(0).choice(COUNT, 500, replace=False))
    scanned = _limited(built, SearchLimits(few=0)).mask(ids[allowed])
    sparse = _limited(built, SearchLimits(few=0, sparse=2)).mask(ids[allowed])
    assert (scanned.by_list is None, sparse.by_list is None) == (True, False)
    wanted = nearest(queries, ids[allowed], unit[allowed], 10)
    scores, found = built.search(queries, 10, sparse)
    check_whole(found, scores, 10, set(ids[allowed].tolist()))
    assert recall(found, wanted) >= 0.97
    assert recall(found, wanted) >= recall(built.search(queries, 10, scanned)[1], wanted) - 0.01


def test_what_is_hidden_is_never_found(segment: Segment, ids: Ids, unit: Floats) -> None:
    gone = ids[::2]
    segment.hide(gone)
    scores, found = segment.search(unit[:4], COUNT)
    check_whole(found, scores, COUNT, set(ids[1::2].tolist()))
    assert len(segment) == COUNT // 2
    assert segment.visible_ids.tolist() == ids[1::2].tolist()
    assert segment.hidden.tolist() == list(range(0, COUNT, 2))


def test_what_is_hidden_is_not_found_either_where_it_is_allowed(
    segment: Segment, ids: Ids, unit: Floats
) -> None:
    segment.hide(ids[:5])
    scores, found = segment.search(unit[:1], 10, segment.mask(ids[:8]))
    check_whole(found, scores, 10, set(ids[5:8].tolist()))


def test_hiding_twice_is_hiding_once(segment: Segment, ids: Ids) -> None:
    segment.hide(ids[:3])
    segment.hide(ids[1:4])
    assert (len(segment), segment.total) == (COUNT - 4, COUNT)


def test_hiding_what_is_not_there_hides_nothing(segment: Segment, ids: Ids) -> None:
    beside = np.array([-1, 0, int(ids[7]) + 1, 2**60], np.int64)
    segment.hide(beside)
    segment.hide(np.zeros(0, np.int64))
    assert len(segment) == COUNT


def test_with_everything_hidden_nothing_is_found(
    segment: Segment, ids: Ids, queries: Floats
) -> None:
    segment.hide(ids)
    scores, found = segment.search(queries[:2], 3)
    check_whole(found, scores, 3, set())


def test_it_says_what_it_is(built: Segment) -> None:
    assert built.kind == "IVF32, PQ24x4fs, SQ8"
    assert (built.refine, built.trained_on) == ("SQ8", COUNT)


def test_a_query_without_any_direction_finds_as_many_as_any_other(built: Segment, ids: Ids) -> None:
    scores, found = built.search(np.zeros((1, DIM), np.float32), 30)
    check_whole(found, scores, 30, set(ids.tolist()))
    assert scores == pytest.approx(0, abs=1e-6)


def test_no_search_changes_how_another_one_searches(segment: Segment, queries: Floats) -> None:
    """Searches for more, and for less, side by side: each as if it were alone."""
    before = segment.limits, segment.autotuned
    asked = [(number, k) for number in range(0, 60, 5) for k in (1, 10, 300, COUNT)]

    def search(each: tuple[int, int]) -> tuple[Floats, Ids]:
        number, k = each
        return segment.search(queries[number : number + 1], k)

    alone = [search(each) for each in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(search, asked))
    for (scores, ids_alone), (scores_then, ids_then) in zip(alone, together, strict=True):
        assert np.array_equal(scores, scores_then)
        assert np.array_equal(ids_alone, ids_then)
    assert (segment.limits, segment.autotuned) == before
