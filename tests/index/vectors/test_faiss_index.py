"""Exact search is held against NumPy, which compares every query with every vector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.records import Floats, Ids, Vectors
from index.state import CatalogState
from index.vectors.faiss_index import FaissIndex
from index.vectors.index import Hits, VectorIndex

DIM = 8
TOLERANCE = 1e-6
DTYPES = ["float32", "float16"]


def _units(count: int, seed: int) -> Floats:
    """Unit vectors, a few of them twins."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(count, DIM)).astype(np.float32)
    return Vectors.of(drawn[rng.integers(0, count, count)] if count else drawn).unit


def _ids(count: int, seed: int) -> Ids:
    """Ids far apart and in no order, some beyond 32 bits."""
    return np.random.default_rng(seed).choice(2**40, count, replace=False).astype(np.int64)


def _empty(dtype: str) -> FaissIndex:
    return FaissIndex(Path("nowhere"), DIM, dtype)


def _filled(ids: Ids, unit: Floats, dtype: str) -> FaissIndex:
    index = _empty(dtype)
    half = len(ids) // 2
    index.add(ids[:half], unit[:half])
    index.add(ids[half:], unit[half:])
    return index


def _check(hits: Hits, queries: Floats, k: int, candidates: dict[int, Floats]) -> None:
    """Hold hits against the scores of all candidates; twins may stand in either order."""
    assert hits.ids.shape == hits.scores.shape == (len(queries), k)
    keys = list(candidates)
    table = np.array([candidates[key] for key in keys], np.float64).reshape(-1, DIM)
    found = min(k, len(keys))
    for query, ids, scores in zip(queries, hits.ids, hits.scores, strict=True):
        # Rounding to float16 makes a vector longer or shorter than 1: scores are cut off there.
        truth = dict(zip(keys, np.clip(table @ query, -1, 1).tolist(), strict=True))
        assert ids[found:].tolist() == [-1] * (k - found)
        assert len(set(ids[:found].tolist())) == found
        assert np.all(np.diff(scores) <= 0)
        own = [truth[key] for key in ids[:found].tolist()]
        np.testing.assert_allclose(scores[:found], own, rtol=0, atol=TOLERANCE)
        best = sorted(truth.values(), reverse=True)[:found]
        np.testing.assert_allclose(scores[:found], best, rtol=0, atol=TOLERANCE)


@settings(max_examples=120, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    count=st.integers(0, 60),
    k=st.integers(1, 70),
    seed=st.integers(0, 2**32),
    removed=st.floats(0, 1),
    allowed=st.none() | st.floats(0, 1),
)
def test_search_finds_what_comparing_with_all_vectors_finds(
    dtype: str, count: int, k: int, seed: int, removed: float, allowed: float | None
) -> None:
    ids, unit, queries = _ids(count, seed), _units(count, seed), _units(3, seed + 1)
    rng = np.random.default_rng(seed + 2)
    stored = unit.astype(dtype).astype(np.float32)
    index = _filled(ids, stored, dtype)
    dropped = rng.random(count) < removed
    index.hide(ids[dropped])
    let_through = np.ones(count, bool) if allowed is None else rng.random(count) < allowed
    chosen = let_through & ~dropped
    candidates = dict(zip(ids[chosen].tolist(), stored[chosen], strict=True))
    hits = index.search(queries, k, None if allowed is None else ids[let_through])
    _check(hits, queries, k, candidates)


@pytest.mark.parametrize("dtype", DTYPES)
def test_k_are_found_where_k_are_allowed_however_far_they_are(dtype: str) -> None:
    ids, unit = np.arange(500, dtype=np.int64), _units(500, 0)
    farthest = np.argsort(unit @ unit[0])[:10]
    hits = _filled(ids, unit, dtype).search(unit[:1], 10, ids[farthest])
    assert sorted(hits.ids[0].tolist()) == sorted(farthest.tolist())


@pytest.mark.parametrize("dtype", DTYPES)
def test_where_fewer_exist_the_rest_is_marked_as_nothing(dtype: str) -> None:
    index = _filled(np.array([7, 9]), _units(2, 0), dtype)
    hits = index.search(_units(1, 1), 5)
    assert sorted(hits.ids[0, :2].tolist()) == [7, 9]
    assert hits.ids[0, 2:].tolist() == [-1, -1, -1]
    assert hits.scores[0, 2:].tolist() == [-1, -1, -1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_is_found_in_an_empty_index(dtype: str) -> None:
    hits = _empty(dtype).search(_units(2, 0), 3)
    assert hits.ids.tolist() == [[-1] * 3] * 2
    assert hits.scores.tolist() == [[-1] * 3] * 2


@pytest.mark.parametrize("allowed", [[], [12345]])
def test_nothing_is_found_where_nothing_is_allowed(allowed: list[int]) -> None:
    index = _filled(np.arange(9, dtype=np.int64), _units(9, 0), "float32")
    hits = index.search(_units(1, 1), 3, np.array(allowed, np.int64))
    assert hits.ids.tolist() == [[-1, -1, -1]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_hidden_image_is_never_found_again(dtype: str) -> None:
    ids, unit = _ids(50, 0), _units(50, 0)
    index = _filled(ids, unit, dtype)
    index.hide(ids[:1])
    assert len(index) == 49
    assert ids[0] not in index.search(unit[:1], 50).ids
    assert ids[0] not in index.search(unit[:1], 50, ids).ids


def test_hiding_what_is_not_there_hides_nothing() -> None:
    index = _filled(np.array([7, 9]), _units(2, 0), "float32")
    index.hide(np.array([8], np.int64))
    index.hide(np.array([], np.int64))
    assert sorted(index.ids.tolist()) == [7, 9]


@pytest.mark.parametrize("dtype", DTYPES)
def test_scores_are_cosines_between_minus_one_and_one(dtype: str) -> None:
    unit = _units(300, 0)
    index = _filled(np.arange(300, dtype=np.int64), unit, dtype)
    scores = index.search(np.concatenate([unit, -unit]), 300).scores
    assert scores.max() <= 1
    assert scores.min() >= -1
    assert scores[:300, 0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_index_holds_exactly_what_the_catalog_stores(
    dtype: str, contents_of: Callable[[FaissIndex], dict[int, list[float]]]
) -> None:
    ids, unit = _ids(200, 0), _units(200, 0)
    unit[0] = 2.0 ** -np.arange(17, 17 + DIM)  # the smallest values of float16
    stored = unit.astype(dtype).astype(np.float32)
    expected = dict(zip(ids.tolist(), stored.tolist(), strict=True))
    assert contents_of(_filled(ids, stored, dtype)) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_index_says_what_it_is(dtype: str) -> None:
    index = _filled(np.array([7, 9]), _units(2, 0), dtype)
    assert (index.kind, index.recall, len(index)) == (f"exact {dtype}", 1.0, 2)
    assert index.ids.tolist() == [7, 9]


def test_it_is_an_index_as_the_protocol_has_it() -> None:
    index: VectorIndex = _empty("float32")
    assert len(index) == 0
    assert index.state is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mask_serves_many_searches_and_says_how_many_it_names(dtype: str) -> None:
    ids, unit = np.arange(9, dtype=np.int64), _units(9, 0)
    index = _filled(ids, unit, dtype)
    mask = index.mask(np.array([2, 3, 12345], np.int64))
    assert mask.count == 3
    for query in unit[:3]:
        assert sorted(index.search(query[None], 5, mask).ids[0].tolist()) == [-1, -1, -1, 2, 3]


def test_a_mask_of_another_index_is_refused() -> None:
    class Foreign:
        count = 1

    index = _filled(np.arange(9, dtype=np.int64), _units(9, 0), "float32")
    with pytest.raises(AttributeError):
        index.search(_units(1, 1), 3, Foreign())


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_index_read_back_answers_the_same(dtype: str, tmp_path: Path) -> None:
    index = FaissIndex(tmp_path / "index", DIM, dtype)
    index.add(_ids(50, 0), _units(50, 0))
    state = CatalogState("catalog", 3, "0" * 32)
    assert index.save(state, lambda asked: asked == state)
    again = FaissIndex(tmp_path / "index", DIM, dtype)
    assert again.open()
    assert again.state == state
    expected, found = (each.search(_units(4, 1), 60) for each in (index, again))
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.scores.tolist() == expected.scores.tolist()


@pytest.mark.parametrize(("dim", "dtype"), [(DIM + 1, "float32"), (DIM, "float16")])
def test_an_index_of_other_vectors_is_not_taken_up(tmp_path: Path, dim: int, dtype: str) -> None:
    index = FaissIndex(tmp_path / "index", DIM, "float32")
    index.add(_ids(50, 0), _units(50, 0))
    assert index.save(CatalogState("catalog", 3, "0" * 32), lambda asked: True)
    other = FaissIndex(tmp_path / "index", dim, dtype)
    assert not other.open()
    assert (other.state, len(other)) == (None, 0)


def test_a_closed_index_holds_nothing() -> None:
    index = _filled(np.array([7, 9]), _units(2, 0), "float32")
    index.close()
    assert len(index) == 0
