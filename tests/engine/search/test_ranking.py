"""Fused ranking: what the papers say, from an index of either kind, within its mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine import UsageError
from engine.search.ranking import (
    FUSED,
    PLAIN,
    FusedLimits,
    fused_ranking,
    plain_ranking,
    require_rank,
)
from index.records import Floats, Ids
from index.state import CatalogState
from index.vectors.choose import Plan
from index.vectors.faiss_index import FaissIndex
from index.vectors.graph import build_graph
from index.vectors.ivf.build import BuildLimits, build_segment
from tests.support.augmented import best, fused, unit

DIM, COUNT = 32, 600
STATE = CatalogState("c" * 32, 1, "t" * 32)
IDS: Ids = 5 * np.arange(COUNT, dtype=np.int64)
ALL = FusedLimits(first=COUNT)


def _embeddings() -> Floats:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(40, DIM))
    drawn = centres[np.arange(COUNT) % 40] + 0.7 * rng.normal(size=(COUNT, DIM))
    return unit(unit(drawn.astype(np.float32)).astype(np.float16).astype(np.float32))


VECTORS = _embeddings()
QUERIES = unit(VECTORS[:20] + np.random.default_rng(5).normal(0, 0.1, (20, DIM)).astype(np.float32))
Made = Callable[[str], FaissIndex]


def _index(kind: str) -> FaissIndex:
    index = FaissIndex(Path("nowhere"), DIM, "float32")
    if kind == "exact":
        index.add(IDS, VECTORS)
    else:
        plan = Plan(lists=16, scan_dim=DIM, refine="SQ8")
        half = (IDS[:400], VECTORS[:400])
        index.segment = build_segment(plan, half, [half], limits=BuildLimits(50))
        index.add(IDS[400:], VECTORS[400:])
    index.graph = build_graph(index, [(IDS, VECTORS)], STATE)
    return index


@pytest.fixture(scope="module")
def exact() -> FaissIndex:
    """An exact index, arranged; not to be changed."""
    return _index("exact")


@pytest.fixture(scope="module")
def coded() -> FaissIndex:
    """A segment with a delta beside it, arranged; not to be changed."""
    return _index("coded")


def test_the_order_is_that_of_the_papers(exact: FaissIndex) -> None:
    for query in QUERIES:
        ranked = fused_ranking(exact, query, 10, limits=ALL)
        ranks = fused(query, VECTORS)
        rank_of = dict(zip(IDS.tolist(), ranks.tolist(), strict=True))
        np.testing.assert_allclose(ranked.rank_scores, np.sort(ranks)[::-1][:10], atol=2e-3)
        np.testing.assert_allclose(
            ranked.rank_scores, [rank_of[each] for each in ranked.ids.tolist()], atol=2e-3
        )
        np.testing.assert_allclose(ranked.scores, VECTORS[ranked.ids // 5] @ query, atol=1e-3)
        assert ranked.order == FUSED


@pytest.mark.parametrize("kind", ["exact", "coded"])
def test_few_candidates_find_nearly_all_that_all_of_them_would(
    kind: str, request: pytest.FixtureRequest
) -> None:
    index = request.getfixturevalue(kind)
    shares = [
        len(set(best(fused(query, VECTORS), IDS, 10)) & set(fused_ranking(index, query, 10).ids))
        for query in QUERIES
    ]
    assert np.mean(shares) > 9


@pytest.mark.parametrize("kind", ["exact", "coded"])
def test_an_image_of_the_catalog_finds_itself_first(
    kind: str, request: pytest.FixtureRequest
) -> None:
    index = request.getfixturevalue(kind)
    for row in range(0, COUNT, 7):
        ranked = fused_ranking(index, VECTORS[row], 5)
        assert ranked.ids[0] == IDS[row]


@pytest.mark.parametrize("kind", ["exact", "coded"])
def test_a_mask_holds_and_the_answer_is_full(kind: str, request: pytest.FixtureRequest) -> None:
    index = request.getfixturevalue(kind)
    allowed = IDS[1::3]
    for query in QUERIES:
        ranked = fused_ranking(index, query, 30, allowed)
        assert len(set(ranked.ids.tolist())) == 30
        assert set(ranked.ids.tolist()) <= set(allowed.tolist())
        cosines = VECTORS[1::3] @ query
        assert ranked.best == pytest.approx(cosines.max(), abs=0.05)


@pytest.mark.parametrize("kind", ["exact", "coded"])
def test_within_a_mask_the_order_is_that_of_all(kind: str, request: pytest.FixtureRequest) -> None:
    index = request.getfixturevalue(kind)
    allowed = IDS[1::3]
    shares = []
    for query in QUERIES:
        ranks = fused(query, VECTORS)
        wanted = best(ranks[1::3], allowed, 10)
        shares.append(len(set(wanted) & set(fused_ranking(index, query, 10, allowed).ids)))
    assert np.mean(shares) > 9


def test_what_is_hidden_is_not_found_and_counts_for_nobody() -> None:
    index = _index("coded")
    query = QUERIES[0]
    gone = fused_ranking(index, query, 3).ids
    index.hide(gone)
    ranked = fused_ranking(index, query, 20)
    assert not set(ranked.ids.tolist()) & set(gone.tolist())
    assert len(ranked.ids) == 20


def test_what_has_come_since_is_found_by_its_own_vector() -> None:
    index = _index("exact")
    new = np.array([10**6], np.int64)
    index.add(new, QUERIES[:1])
    assert fused_ranking(index, QUERIES[0], 5).ids[0] == new[0]


def test_an_index_that_was_never_arranged_ranks_by_cosine() -> None:
    index = FaissIndex(Path("nowhere"), DIM, "float32")
    index.add(IDS, VECTORS)
    ranked = fused_ranking(index, QUERIES[0], 10)
    plain = plain_ranking(index, QUERIES[0], 10, None)
    assert ranked.order == PLAIN
    np.testing.assert_array_equal(ranked.ids, plain.ids)
    np.testing.assert_array_equal(ranked.rank_scores, plain.scores)


def test_images_below_the_least_cosine_make_room_for_others(exact: FaissIndex) -> None:
    query = QUERIES[0]
    least = float(np.sort(VECTORS @ query)[-10]) - 1e-3
    ranked = fused_ranking(exact, query, 10, least=least, limits=ALL)
    assert len(ranked.ids) == 10
    assert ranked.scores.min() >= least


def test_an_empty_index_finds_nothing() -> None:
    index = FaissIndex(Path("nowhere"), DIM, "float32")
    ranked = fused_ranking(index, QUERIES[0], 5)
    assert (len(ranked.ids), ranked.best) == (0, -np.inf)


def test_there_are_two_orders() -> None:
    require_rank("fused")
    require_rank("plain")
    with pytest.raises(UsageError, match="'best' is not a choice"):
        require_rank("best")


@pytest.mark.parametrize("number", [0, 7, 59])
def test_an_image_whose_neighbours_are_gone_is_first_for_itself(number: int) -> None:
    """What its surroundings counted for is missing, so its rank is low."""
    rng = np.random.default_rng(0)
    crowd = unit((2 + rng.normal(size=(60, DIM))).astype(np.float32))
    ids = np.arange(60, dtype=np.int64)
    index = FaissIndex(Path("nowhere"), DIM, "float32")
    index.add(ids, crowd)
    index.graph = build_graph(index, [(ids, crowd)], STATE)
    index.graph.forget(np.delete(ids, number))
    found = fused_ranking(index, crowd[number], 5, limits=FusedLimits(more=0))
    assert found.ids[0] == number
