"""How far to look is chosen by what was found, held against looks whose findings are made up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Floats, Ids
from index.tuning import DEPTHS, FORGONE, TARGET, Truth, Tuning, tune

QUERIES = 100
DEPTH = DEPTHS[-1] + 1
Share = Callable[[int, int, int], float]


def _truth(depth: int = DEPTH) -> Truth:
    """Of every query the same positions are nearest, all differently near."""
    places = np.broadcast_to(np.arange(depth, dtype=np.int64), (QUERIES, depth))
    scores = np.broadcast_to(np.linspace(1, 0, depth, dtype=np.float32), (QUERIES, depth))
    return Truth(places, scores)


def _tuned(share: Share, lists: int = 1000, depth: int = DEPTH) -> Tuning:
    """Tune by a look that finds `share(k, nprobe, candidates)` of the nearest, and else nothing."""

    def look(queries: Floats, k: int, nprobe: int, candidates: int) -> Ids:
        assert 1 <= nprobe <= lists
        found = np.broadcast_to(np.arange(k, dtype=np.int64), (len(queries), k)).copy()
        missed = round((1 - share(k, nprobe, candidates)) * found.size)
        found.reshape(-1)[:missed] = -1
        return found

    return tune(look, np.zeros((QUERIES, 4), np.float32), _truth(depth), lists)


def _enough(nprobe: int, needed: int) -> float:
    return 1.0 if nprobe >= needed else 0.5


@pytest.mark.parametrize("needed", [1, 2, 3, 10, 77, 500, 1000])
def test_no_more_lists_are_looked_into_than_a_fifth_more_than_needed(needed: int) -> None:
    tuning = _tuned(lambda k, nprobe, candidates: _enough(nprobe, needed))
    assert needed <= tuning.probes[0][1] <= max(needed + 1, 1.2 * needed)
    assert tuning.recall == 1.0


def test_deeper_searches_look_into_as_many_lists_as_they_need() -> None:
    needed = {10: 5, 100: 40, 1000: 300}
    tuning = _tuned(lambda k, nprobe, candidates: _enough(nprobe, needed[k]))
    assert [depth for depth, _ in tuning.probes] == list(DEPTHS)
    for depth, nprobe in tuning.probes:
        assert needed[depth] <= nprobe <= 1.2 * needed[depth]


def test_deeper_searches_never_look_into_fewer_lists() -> None:
    tuning = _tuned(lambda k, nprobe, candidates: _enough(nprobe, {10: 90}.get(k, 1)))
    assert len({nprobe for _, nprobe in tuning.probes}) == 1


@pytest.mark.parametrize(
    ("depth", "measured"), [(15, [10]), (100, [10]), (101, [10, 100]), (1001, [10, 100, 1000])]
)
def test_only_depths_that_the_catalog_goes_beyond_are_measured(
    depth: int, measured: list[int]
) -> None:
    tuning = _tuned(lambda k, nprobe, candidates: 1.0, depth=depth)
    assert [depth for depth, _ in tuning.probes] == measured


@pytest.mark.parametrize(
    ("needed", "candidates"),
    [
        ({60: 10, 150: 10, 300: 10}, 60),
        ({60: 100, 150: 50, 300: 48}, 150),
        ({60: 100, 150: 90, 300: 20}, 300),
        ({60: 2000, 150: 90, 300: 90}, 150),
    ],
)
def test_the_cheapest_number_of_candidates_is_chosen(
    needed: dict[int, int], candidates: int
) -> None:
    def share(k: int, nprobe: int, extra: int) -> float:
        return _enough(nprobe, needed[extra]) if k == 10 else 1.0

    tuning = _tuned(share)
    assert tuning.candidates == candidates
    assert tuning.recall == 1.0
    assert needed[candidates] <= tuning.probes[0][1] <= 1.2 * needed[candidates]


def test_a_result_just_below_the_target_is_not_enough() -> None:
    tuning = _tuned(lambda k, nprobe, candidates: 0.999 if nprobe >= 50 else TARGET + 0.001)
    assert tuning.recall == 0.999
    assert 50 <= tuning.probes[0][1] <= 60


def test_where_the_target_is_out_of_reach_it_looks_no_farther_than_helps() -> None:
    tuning = _tuned(lambda k, nprobe, candidates: 0.9 if nprobe >= 50 else 0.1)
    assert tuning.recall == 0.9
    assert tuning.candidates == 60
    assert all(50 <= nprobe <= 60 for _, nprobe in tuning.probes)


def test_where_the_target_is_out_of_reach_hardly_less_than_the_best_is_taken() -> None:
    best = 0.9
    tuning = _tuned(lambda k, nprobe, candidates: best - 0.1 / nprobe)
    assert best - 0.1 / 1000 - FORGONE - 1e-3 <= tuning.recall < best - 1e-3
    assert tuning.probes[0][1] < 40


def test_what_was_found_is_told_as_a_share() -> None:
    truth = _truth()
    found = np.tile(np.array([0, 1, 2, 3, 4, 5, 6, 70, 80, -1]), (QUERIES, 1))
    assert truth.recall(found) == pytest.approx(0.7)


def _tied(scores: list[float]) -> Truth:
    return Truth(np.arange(len(scores))[None], np.array([scores], np.float32))


def test_a_twin_of_what_is_nearest_counts_as_found() -> None:
    truth = _tied([0.9, 0.8, 0.8, 0.8, 0.1])
    assert truth.recall(np.array([[0, 3]])) == 1.0
    assert truth.recall(np.array([[2, 3]])) == 1.0
    assert truth.recall(np.array([[0, 4]])) == 0.5


def test_what_is_only_nearly_as_near_does_not_count_as_found() -> None:
    assert _tied([0.9, 0.8, 0.7999, 0.1]).recall(np.array([[0, 2]])) == 0.5


def test_a_query_with_more_twins_than_are_known_tells_nothing() -> None:
    clear, unclear = [0.9, 0.8, 0.1], [0.9, 0.9, 0.9]
    truth = Truth(np.array([[0, 1, 2], [0, 1, 2]]), np.array([clear, unclear], np.float32))
    assert truth.recall(np.array([[0, 7], [8, 9]])) == 0.5


def test_where_fewer_are_known_than_were_looked_for_all_known_ones_count() -> None:
    assert _tied([0.9, 0.8]).recall(np.array([[1, 0, -1, -1]])) == 1.0
    assert _tied([0.9, 0.8]).recall(np.array([[1, -1, -1, -1]])) == 0.5


@st.composite
def tunings(draw: st.DrawFn) -> tuple[Tuning, int]:
    """What `tune` could have measured, and how many lists there are."""
    lists = draw(st.integers(1, 65_536))
    measured = draw(st.lists(st.integers(1, lists), min_size=1, max_size=len(DEPTHS)))
    probes = zip(DEPTHS, sorted(measured), strict=False)
    return Tuning(0.99, 60, tuple(probes)), lists


@given(drawn=tunings(), one=st.floats(0, 1e9), other=st.floats(0, 1e9))
def test_the_deeper_the_search_the_more_lists_within_what_there_is(
    drawn: tuple[Tuning, int], one: float, other: float
) -> None:
    tuning, lists = drawn
    shallow, deep = (tuning.nprobe(depth, lists) for depth in sorted((one, other)))
    assert 1 <= shallow <= deep <= lists


@given(drawn=tunings())
def test_at_a_depth_that_was_measured_it_is_what_was_measured(drawn: tuple[Tuning, int]) -> None:
    tuning, lists = drawn
    assert [(depth, tuning.nprobe(depth, lists)) for depth, _ in tuning.probes] == list(
        tuning.probes
    )


def test_between_two_depths_it_grows_by_the_same_factor() -> None:
    tuning = Tuning(0.99, 60, ((10, 4), (100, 16)))
    assert tuning.nprobe(10**1.5, 1000) == 8
    assert tuning.nprobe(1000, 1000) == 64
    assert tuning.nprobe(1000, 50) == 50


def test_beyond_a_single_measurement_it_grows_from_one_list_for_one_image() -> None:
    tuning = Tuning(0.99, 60, ((10, 4),))
    assert tuning.nprobe(100, 1000) == 16
    assert tuning.nprobe(3, 1000) == 4
