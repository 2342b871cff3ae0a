"""Arranged vectors to which images are added, held against a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.records import Floats, Ids
from index.vectors.build import extend
from index.vectors.ivf import CompressedVectors

DIM = 16
COUNT = 400
# Codes fitted to few vectors of a low dim err by this where a number lies beyond all of theirs.
NEAR = 0.1

Arrange = Callable[..., CompressedVectors]
Likenesses = Callable[..., Floats]


@pytest.fixture(scope="module")
def unit(likenesses: Likenesses) -> Floats:
    """Vectors of the images 0, 10, 20, ..."""
    return likenesses(COUNT, DIM)


@pytest.fixture(scope="module")
def built(arrange: Arrange, unit: Floats) -> CompressedVectors:
    """They, arranged; not to be changed."""
    return arrange(10 * np.arange(COUNT, dtype=np.int64), unit)


def _own(built: CompressedVectors) -> CompressedVectors:
    """Return a copy that can be added to."""
    inner = faiss.deserialize_index(faiss.serialize_index(built.inner))
    return CompressedVectors(inner, built.ids, built.inverse, built.tuning, built.trained_on)


def _ids(*ids: int) -> Ids:
    return np.array(ids, np.int64)


@pytest.fixture(params=[True, False], ids=["one by one", "through the lists"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search these few as few are searched, and as very many are."""
    if not request.param:
        monkeypatch.setattr("index.vectors.ivf.FEW", 0)


def _check(index: CompressedVectors, truth: dict[int, Floats], queries: Floats) -> None:
    """Ask for everything: each image is there once, with the score of its own vector."""
    assert len(index) == len(truth)
    assert sorted(index.visible_ids.tolist()) == sorted(truth)
    k = len(truth) + 1
    scores, found = index.search(queries, k)
    for query, ids, row in zip(queries, found.tolist(), scores, strict=True):
        assert ids[-1] == -1
        assert sorted(ids[:-1]) == sorted(truth)
        cosines = [float(query @ truth[each]) for each in ids[:-1]]
        np.testing.assert_allclose(row[:-1], cosines, rtol=0, atol=NEAR)
        assert np.mean(np.abs(row[:-1] - cosines)) < NEAR / 10


@pytest.mark.usefixtures("both_ways")
def test_images_added_are_found_beside_those_before(
    built: CompressedVectors, unit: Floats, likenesses: Likenesses
) -> None:
    new = likenesses(60, DIM, seed=1)
    ids = 10 * np.arange(60, dtype=np.int64) + 5
    grown = extend(_own(built), [(ids[:50], new[:50]), (ids[50:], new[50:])])
    truth = dict(zip((10 * np.arange(COUNT)).tolist(), unit, strict=True))
    _check(grown, truth | dict(zip(ids.tolist(), new, strict=True)), new[:5])
    assert grown.search(new, 1)[1][:, 0].tolist() == ids.tolist()


def test_an_index_that_has_grown_is_told_from_what_it_was(
    built: CompressedVectors, likenesses: Likenesses
) -> None:
    grown = extend(_own(built), [(_ids(7), likenesses(1, DIM, seed=1))])
    assert grown.key != built.key
    assert (grown.trained_on, grown.total) == (COUNT, COUNT + 1)
    assert grown.tuning == built.tuning


@pytest.mark.usefixtures("both_ways")
def test_what_was_hidden_stays_hidden_when_others_are_added(
    built: CompressedVectors, unit: Floats, likenesses: Likenesses
) -> None:
    own = _own(built)
    own.hide(_ids(0, 20))
    grown = extend(own, [(_ids(7), likenesses(1, DIM, seed=1))])
    found = grown.search(unit[:3], COUNT)[1]
    assert not np.isin(found, _ids(0, 20)).any()
    assert grown.hidden.tolist() == [0, 2]


@pytest.mark.usefixtures("both_ways")
def test_an_image_hidden_and_added_anew_is_found_once_with_its_new_vector(
    built: CompressedVectors, unit: Floats, likenesses: Likenesses
) -> None:
    new = likenesses(1, DIM, seed=1)
    own = _own(built)
    own.hide(_ids(30))
    grown = extend(own, [(_ids(30), new)])
    truth = dict(zip((10 * np.arange(COUNT)).tolist(), unit, strict=True))
    _check(grown, truth | {30: new[0]}, np.concatenate([new, unit[3:4]]))
    scores, found = grown.search(new, 5, grown.within(_ids(30)))
    assert found[0].tolist() == [30, -1, -1, -1, -1]
    assert scores[0, 0] == pytest.approx(1, abs=NEAR)


def test_an_image_added_anew_can_be_hidden_again(
    built: CompressedVectors, likenesses: Likenesses
) -> None:
    own = _own(built)
    own.hide(_ids(30))
    grown = extend(own, [(_ids(30), likenesses(1, DIM, seed=1))])
    grown.hide(_ids(30))
    assert len(grown) == COUNT - 1
    assert 30 not in grown.search(likenesses(1, DIM, seed=1), COUNT)[1]
    assert len(np.flatnonzero(grown.within(_ids(30)).mask)) == 0


@pytest.mark.usefixtures("both_ways")
def test_nothing_added_changes_nothing(built: CompressedVectors, unit: Floats) -> None:
    grown = extend(_own(built), [])
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


@pytest.mark.parametrize("few", [1000, 0], ids=["one by one", "through the lists"])
def test_after_any_changes_it_holds_what_a_dictionary_holds(
    built: CompressedVectors,
    unit: Floats,
    likenesses: Likenesses,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
) -> None:
    monkeypatch.setattr("index.vectors.ivf.FEW", few)

    @settings(max_examples=80, deadline=None)
    @given(steps=steps, allowed=st.lists(st.integers(-5, 10 * COUNT), max_size=60))
    def holds(steps: list[Step], allowed: list[int]) -> None:
        index = _own(built)
        truth = dict(zip((10 * np.arange(COUNT)).tolist(), unit, strict=True))
        for number, (verb, chosen) in enumerate(steps):
            if verb == "hide":
                index.hide(_ids(*chosen))
                truth = {key: vector for key, vector in truth.items() if key not in set(chosen)}
            else:
                new = [key for key in chosen if key not in truth and key >= 0]
                vectors = likenesses(len(new), DIM, seed=number + 1)
                index = extend(index, [(_ids(*new), vectors)] if new else [])
                truth |= dict(zip(new, vectors, strict=True))
        queries = likenesses(2, DIM, seed=99)
        _check(index, truth, queries)
        named = np.array([*allowed, *range(0, 130, 10)], np.int64)
        _, found = index.search(queries, len(named), index.within(named))
        there = sorted(set(named.tolist()) & set(truth))
        for row in found.tolist():
            assert sorted(row) == [-1] * (len(named) - len(there)) + there

    holds()
