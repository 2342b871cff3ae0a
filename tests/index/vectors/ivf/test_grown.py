"""A segment to which images are added, held against a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.records import Floats, Ids
from index.vectors.ivf.build import extend_segment
from index.vectors.ivf.segment import SearchLimits, Segment

DIM = 16
COUNT = 400
# Codes fitted to few vectors of a low dim err by this where a component lies beyond all of theirs.
TOLERANCE = 0.1

MakeSegment = Callable[..., Segment]
Likenesses = Callable[..., Floats]


@pytest.fixture(scope="module")
def unit(likenesses: Likenesses) -> Floats:
    """Vectors of the images 0, 10, 20, ..."""
    return likenesses(COUNT, DIM)


@pytest.fixture(scope="module")
def built(make_segment: MakeSegment, unit: Floats) -> Segment:
    """A segment of these; not to be changed."""
    return make_segment(10 * np.arange(COUNT, dtype=np.int64), unit)


def _own(built: Segment, few: int = 1000) -> Segment:
    """Return a copy that can be added to, of which `few` are reranked one by one."""
    inner = faiss.deserialize_index(faiss.serialize_index(built.inner))
    codes = (built.inverse_lengths, built.autotuned, built.trained_on)
    return Segment(inner, built.ids, *codes, limits=SearchLimits(few=few))


def _ids(*ids: int) -> Ids:
    return np.array(ids, np.int64)


@pytest.fixture(params=[1000, 0], ids=["one by one", "through the lists"])
def own(built: Segment, request: pytest.FixtureRequest) -> Segment:
    """A copy to be added to, searched as few images are searched, and as very many are."""
    return _own(built, request.param)


def _check(index: Segment, truth: dict[int, Floats], queries: Floats) -> None:
    """Ask for everything: each image is there once, with the score of its own vector."""
    assert len(index) == len(truth)
    assert sorted(index.visible_ids.tolist()) == sorted(truth)
    k = len(truth) + 1
    scores, found = index.search(queries, k)
    for query, ids, row in zip(queries, found.tolist(), scores, strict=True):
        assert ids[-1] == -1
        assert sorted(ids[:-1]) == sorted(truth)
        cosines = [float(query @ truth[each]) for each in ids[:-1]]
        np.testing.assert_allclose(row[:-1], cosines, rtol=0, atol=TOLERANCE)
        assert np.mean(np.abs(row[:-1] - cosines)) < TOLERANCE / 10


def test_images_added_are_found_beside_those_before(
    own: Segment, unit: Floats, likenesses: Likenesses
) -> None:
    new = likenesses(60, DIM, seed=1)
    ids = 10 * np.arange(60, dtype=np.int64) + 5
    grown = extend_segment(own, [(ids[:50], new[:50]), (ids[50:], new[50:])])
    truth = dict(zip((10 * np.arange(COUNT)).tolist(), unit, strict=True))
    _check(grown, truth | dict(zip(ids.tolist(), new, strict=True)), new[:5])
    assert grown.search(new, 1)[1][:, 0].tolist() == ids.tolist()


def test_an_index_that_has_grown_is_told_from_what_it_was(
    built: Segment, likenesses: Likenesses
) -> None:
    grown = extend_segment(_own(built), [(_ids(7), likenesses(1, DIM, seed=1))])
    assert grown.key != built.key
    assert (grown.trained_on, grown.total) == (COUNT, COUNT + 1)
    assert grown.autotuned == built.autotuned


def test_what_was_hidden_stays_hidden_when_others_are_added(
    own: Segment, unit: Floats, likenesses: Likenesses
) -> None:
    own.hide(_ids(0, 20))
    grown = extend_segment(own, [(_ids(7), likenesses(1, DIM, seed=1))])
    found = grown.search(unit[:3], COUNT)[1]
    assert not np.isin(found, _ids(0, 20)).any()
    assert grown.hidden.tolist() == [0, 2]


def test_an_image_hidden_and_added_anew_is_found_once_with_its_new_vector(
    own: Segment, unit: Floats, likenesses: Likenesses
) -> None:
    new = likenesses(1, DIM, seed=1)
    own.hide(_ids(30))
    grown = extend_segment(own, [(_ids(30), new)])
    truth = dict(zip((10 * np.arange(COUNT)).tolist(), unit, strict=True))
    _check(grown, truth | {30: new[0]}, np.concatenate([new, unit[3:4]]))
    scores, found = grown.search(new, 5, grown.mask(_ids(30)))
    assert found[0].tolist() == [30, -1, -1, -1, -1]
    assert scores[0, 0] == pytest.approx(1, abs=TOLERANCE)


def test_an_image_added_anew_can_be_hidden_again(built: Segment, likenesses: Likenesses) -> None:
    own = _own(built)
    own.hide(_ids(30))
    grown = extend_segment(own, [(_ids(30), likenesses(1, DIM, seed=1))])
    grown.hide(_ids(30))
    assert len(grown) == COUNT - 1
    assert 30 not in grown.search(likenesses(1, DIM, seed=1), COUNT)[1]
    assert len(np.flatnonzero(grown.mask(_ids(30)).allowed)) == 0


def test_nothing_added_changes_nothing(own: Segment, unit: Floats) -> None:
    grown = extend_segment(own, [])
    _check(grown, dict(zip((10 * np.arange(COUNT)).tolist(), unit, strict=True)), unit[:2])


Step = tuple[str, Sequence[int]]
steps = st.lists(
    st.tuples(
        st.sampled_from(["hide", "extend"]),
        st.lists(st.integers(-5, 10 * COUNT), max_size=12, unique=True)
        | st.lists(st.integers(0, 12).map(lambda each: 10 * each), max_size=6, unique=True),
    ),
    max_size=8,
)


@pytest.mark.slow
@pytest.mark.parametrize("few", [1000, 0], ids=["one by one", "through the lists"])
def test_after_any_changes_it_holds_what_a_dictionary_holds(
    built: Segment, unit: Floats, likenesses: Likenesses, few: int
) -> None:
    @settings(max_examples=80, deadline=None)
    @given(steps=steps, allowed=st.lists(st.integers(-5, 10 * COUNT), max_size=60))
    def holds(steps: list[Step], allowed: list[int]) -> None:
        index = _own(built, few)
        truth = dict(zip((10 * np.arange(COUNT)).tolist(), unit, strict=True))
        for number, (verb, chosen) in enumerate(steps):
            if verb == "hide":
                index.hide(_ids(*chosen))
                truth = {key: vector for key, vector in truth.items() if key not in set(chosen)}
            else:
                new = [key for key in chosen if key not in truth and key >= 0]
                vectors = likenesses(len(new), DIM, seed=number + 1)
                index = extend_segment(index, [(_ids(*new), vectors)] if new else [])
                truth |= dict(zip(new, vectors, strict=True))
        queries = likenesses(2, DIM, seed=99)
        _check(index, truth, queries)
        named = np.array([*allowed, *range(0, 130, 10)], np.int64)
        _, found = index.search(queries, len(named), index.mask(named))
        there = sorted(set(named.tolist()) & set(truth))
        for row in found.tolist():
            assert sorted(row) == [-1] * (len(named) - len(there)) + there

    holds()
