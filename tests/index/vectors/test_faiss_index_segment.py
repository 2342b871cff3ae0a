"""An index of a segment and a delta beside it answers as a single one would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.records import Floats, Ids, Vectors
from index.vectors.faiss_index import FaissIndex
from index.vectors.ivf.segment import SearchLimits, Segment

DIM = 8
COUNT = 400
# How far a score of a segment of this low dim may lie from the cosine.
TOLERANCE = 0.1


def _units(count: int, seed: int) -> Floats:
    drawn = np.random.default_rng(seed).normal(size=(count, DIM))
    return Vectors.of(drawn.astype(np.float32)).unit


@pytest.fixture(scope="module")
def segment(make_segment: Callable[..., Segment]) -> Segment:
    """A segment of vectors under the ids 0, 10, 20, ...; not to be changed."""
    ids = 10 * np.arange(COUNT, dtype=np.int64)
    return make_segment(ids, _units(COUNT, 0))


@pytest.fixture(params=[1000, 0], ids=["one by one", "through the lists"])
def large(segment: Segment, request: pytest.FixtureRequest) -> FaissIndex:
    """An index of them, searched as few are searched and as very many are."""
    return _beside(_own(segment, request.param))


def _beside(segment: Segment) -> FaissIndex:
    """Return an index of a segment, with nothing beside it yet."""
    index = FaissIndex(Path("nowhere"), DIM, "float32")
    index.segment = segment
    return index


def _own(segment: Segment, few: int = 1000) -> Segment:
    limits = SearchLimits(few=few)
    codes = (segment.inner, segment.ids, segment.inverse_lengths, segment.autotuned)
    return Segment(*codes, segment.trained_on, limits=limits)


def _found(index: FaissIndex, allowed: Ids | None = None) -> dict[int, float]:
    """Return all that is found from a direction, with its score, each insisted on to be once."""
    hits = index.search(np.eye(DIM, dtype=np.float32)[:1], len(index) + 1, allowed)
    there = hits.ids[0][hits.ids[0] >= 0].tolist()
    assert len(set(there)) == len(there)
    assert np.all(np.diff(hits.scores[0]) <= 0)
    return dict(zip(there, hits.scores[0].tolist(), strict=False))


def _check_found(found: dict[int, float], truth: dict[int, Floats]) -> None:
    assert sorted(found) == sorted(truth)
    for key, vector in truth.items():
        assert found[key] == pytest.approx(float(vector[0]), abs=TOLERANCE)


def _truth() -> dict[int, Floats]:
    return dict(zip(range(0, 10 * COUNT, 10), _units(COUNT, 0), strict=True))


def test_images_of_segment_and_delta_are_found_together(large: FaissIndex) -> None:
    ids, new = np.array([7, 10 * COUNT], np.int64), _units(2, 5)
    large.add(ids, new)
    assert (len(large), len(large.delta)) == (COUNT + 2, 2)
    assert sorted(large.ids.tolist()) == sorted([*_truth(), *ids.tolist()])
    _check_found(_found(large), _truth() | dict(zip(ids.tolist(), new, strict=True)))


def test_the_nearest_come_first_wherever_they_lie(large: FaissIndex) -> None:
    query = np.eye(DIM, dtype=np.float32)[:1]
    large.add(np.array([7], np.int64), query)
    hits = large.search(query, 3)
    assert hits.ids[0, 0] == 7
    assert hits.scores[0, 0] == 1
    assert hits.ids[0, 1] % 10 == hits.ids[0, 2] % 10 == 0


def test_an_image_is_hidden_wherever_it_lies(large: FaissIndex) -> None:
    large.add(np.array([7, 17], np.int64), _units(2, 5))
    large.hide(np.array([7, 20, 12345], np.int64))
    assert (len(large), len(large.delta)) == (COUNT, 1)
    truth = _truth() | {17: _units(2, 5)[1]}
    del truth[20]
    _check_found(_found(large), truth)


def test_an_image_of_the_segment_with_new_content_is_found_once_by_that(large: FaissIndex) -> None:
    new = _units(1, 5)
    large.hide(np.array([20], np.int64))
    large.add(np.array([20], np.int64), new)
    assert len(large) == COUNT
    _check_found(_found(large), _truth() | {20: new[0]})
    hits = large.search(new, 1, np.array([20], np.int64))
    assert hits.ids[0].tolist() == [20]
    assert hits.scores[0] == pytest.approx(1, abs=TOLERANCE)


def test_a_mask_holds_for_segment_and_delta(large: FaissIndex) -> None:
    large.add(np.array([7, 17], np.int64), _units(2, 5))
    allowed = np.array([7, 30, 40, 99], np.int64)
    assert sorted(_found(large, allowed)) == [7, 30, 40]


def test_a_mask_may_allow_only_the_delta_or_only_the_segment(large: FaissIndex) -> None:
    large.add(np.array([7], np.int64), _units(1, 5))
    assert sorted(_found(large, np.array([7], np.int64))) == [7]
    assert sorted(_found(large, np.array([30], np.int64))) == [30]
    assert _found(large, np.array([], np.int64)) == {}


@settings(max_examples=40, deadline=None)
@given(
    share=st.floats(0, 1), k=st.integers(1, 450), seed=st.integers(0, 2**32), delta=st.booleans()
)
def test_a_mask_made_ready_answers_as_the_ids_do(
    segment: Segment, share: float, k: int, seed: int, delta: bool
) -> None:
    index = _beside(_own(segment))
    if delta:
        index.add(np.arange(5, 50, 10, dtype=np.int64), _units(5, 1))
    ids = index.ids[np.random.default_rng(seed).random(len(index)) < share]
    queries = _units(3, seed)
    by_ids, by_mask = (index.search(queries, k, each) for each in (ids, index.mask(ids)))
    assert by_mask.ids.tolist() == by_ids.ids.tolist()
    assert by_mask.scores.tolist() == by_ids.scores.tolist()
    assert np.sum(by_ids.ids >= 0, axis=1).tolist() == [min(k, len(ids))] * 3
    assert set(by_ids.ids[by_ids.ids >= 0].tolist()) <= set(ids.tolist())


def test_scores_of_a_segment_are_cut_off_at_one(large: FaissIndex) -> None:
    # Vectors stored as float16 are no longer exactly as long as they should be.
    longer = 1.001 * _units(COUNT, 0)
    scores = large.search(np.concatenate([longer, -longer]), COUNT).scores
    assert (scores.min(), scores.max()) == (-1, 1)


def test_a_large_index_says_what_it_is(large: FaissIndex) -> None:
    assert large.kind == "IVF16, PQ4x4fs, SQ8"
    large.add(np.array([7, 17], np.int64), _units(2, 5))
    assert large.kind == "IVF16, PQ4x4fs, SQ8; 2 new ones exact float32"


def test_the_recall_of_an_index_is_that_of_its_segment(segment: Segment) -> None:
    assert FaissIndex(Path("nowhere"), DIM, "float32").recall == 1
    index = _beside(segment)
    assert index.recall == segment.autotuned.recall
