"""How far to look is chosen by what was found, held against looks whose findings are made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Floats, Ids
from index.vectors.autotune import (
    DEPTHS,
    EXTRA_CANDIDATES,
    FORGONE,
    LEAST_GAP,
    NEIGHBOURS,
    ROUNDING,
    SHARES,
    TARGET,
    Trial,
    Truth,
    Tuning,
    tune,
)
from index.vectors.ivf_probe import EVERYTHING

QUERIES = 100
DEPTH = DEPTHS[-1] + 1
Share = Callable[[int, float, int], float]


def _truth(depth: int = DEPTH) -> Truth:
    """Of every query the same positions are nearest, all differently near."""
    places = np.broadcast_to(np.arange(depth, dtype=np.int64), (QUERIES, depth))
    scores = np.broadcast_to(np.linspace(1, 0, depth, dtype=np.float32), (QUERIES, depth))
    return Truth(places, scores)


def _needed(depth: int = DEPTH) -> Floats:
    """Of every query some lists are nearer than others, and the deeper the farther."""
    rng = np.random.default_rng(0)
    return np.asarray(0.01 * rng.random((QUERIES, depth)) * (1 + np.arange(depth) / 10), np.float32)


def _trial(depth: int, share: Share, needed: Floats) -> Trial:
    """Return searches that find `share(depth, gap, candidates)` of the nearest, else nothing."""

    def look(gap: float, candidates: int) -> Ids:
        assert 0 < gap <= EVERYTHING
        found = np.broadcast_to(np.arange(NEIGHBOURS, dtype=np.int64), (QUERIES, NEIGHBOURS)).copy()
        missed = round((1 - share(depth, gap, candidates)) * found.size)
        found.reshape(-1)[:missed] = -1
        return found

    return Trial(depth, look, _truth(), needed[:, :depth])


def _tuned(
    share: Share, depths: Sequence[int] = DEPTHS[:1], needed: Floats | None = None
) -> Tuning:
    """Tune by searches at these depths."""
    needed = _needed() if needed is None else needed
    trials = [_trial(depth, share, needed) for depth in depths]
    return tune(trials, lambda gap: 1000 * gap)


def _enough(gap: float, needed: float) -> float:
    return 1.0 if gap >= needed else 0.5


def test_the_least_gap_that_finds_enough_is_chosen() -> None:
    enough = float(np.quantile(_needed()[:, :10], SHARES[2]))
    tuning = _tuned(lambda depth, gap, candidates: _enough(gap, enough))
    assert enough <= tuning.gaps[0][1] <= np.quantile(_needed()[:, :10], SHARES[6])
    assert tuning.recall == 1.0


def test_at_each_depth_the_least_gap_that_finds_enough_there_is_chosen() -> None:
    shares = dict(zip(DEPTHS, (SHARES[1], SHARES[4], SHARES[2]), strict=True))
    enough = {d: float(np.quantile(_needed()[:, :d], share)) for d, share in shares.items()}
    tuning = _tuned(lambda depth, gap, candidates: _enough(gap, enough[depth]), DEPTHS)
    assert [depth for depth, _ in tuning.gaps] == list(DEPTHS)
    for depth, gap in tuning.gaps:
        next_share = SHARES[SHARES.index(shares[depth]) + 2]
        most = np.quantile(_needed()[:, :depth], next_share)
        assert enough[depth] <= gap <= most + 2 * ROUNDING


def test_deeper_searches_compare_as_many_candidates_as_filters_leave_them() -> None:
    seen: dict[int, set[int]] = {depth: set() for depth in DEPTHS}

    def share(depth: int, gap: float, candidates: int) -> float:
        seen[depth].add(candidates)
        return 1.0

    tuning = _tuned(share, DEPTHS)
    for depth in DEPTHS[1:]:
        assert seen[depth] == {tuning.candidates_among(NEIGHBOURS / depth)}


def test_deeper_searches_never_look_into_fewer_lists() -> None:
    needed = _needed()
    needed[:, 10:] = 0
    tuning = _tuned(lambda depth, gap, candidates: 1.0, DEPTHS, needed)
    assert len({gap for _, gap in tuning.gaps}) == 1


def test_where_nothing_could_be_measured_every_list_is_looked_into() -> None:
    truth = Truth(np.zeros((1, 0), np.int64), np.zeros((1, 0), np.float32))
    nothing = np.zeros((1, 0), np.float32)
    trial = Trial(10, lambda gap, candidates: np.zeros((1, 10), np.int64), truth, nothing)
    assert tune([trial], lambda gap: 1.0).gaps == ((10, EVERYTHING),)


@pytest.mark.parametrize(
    ("needed", "candidates"),
    [
        # The gaps tried lie between 0.1 and 0.2, of 1000 lists for each 1.0.
        ([0.0, 0.0, 0.0, 0.0, 0.0], 100),
        ([0.19, 0.0, 0.0, 0.0, 0.0], 150),
        ([0.19, 0.19, 0.17, 0.17, 0.0], 400),
        ([2.0, 2.0, 0.0, 0.0, 0.0], 220),
    ],
)
def test_the_cheapest_number_of_candidates_is_chosen(needed: list[float], candidates: int) -> None:
    by_number = dict(zip(EXTRA_CANDIDATES, needed, strict=True))
    near = np.linspace(0.1, 0.2, QUERIES * DEPTH, dtype=np.float32)
    # Nearly all of what the shares differ by lies far apart.
    near[: int(SHARES[0] * QUERIES * DEPTH)] = 0.1
    drawn = np.random.default_rng(0).permutation(near).reshape(QUERIES, DEPTH)
    tuning = _tuned(lambda depth, gap, extra: _enough(gap, by_number[extra]), needed=drawn)
    assert tuning.candidates == candidates
    assert tuning.recall == 1.0


def test_a_result_just_below_the_target_is_not_enough() -> None:
    enough = float(np.quantile(_needed()[:, :10], SHARES[-2]))
    tuning = _tuned(lambda depth, gap, candidates: 0.999 if gap >= enough else TARGET + 0.001)
    assert tuning.recall == 0.999
    assert tuning.gaps[0][1] >= enough


def test_where_the_target_is_out_of_reach_it_looks_no_farther_than_helps() -> None:
    tuning = _tuned(lambda depth, gap, candidates: 0.9)
    assert tuning.recall == 0.9
    assert tuning.candidates == EXTRA_CANDIDATES[0]
    assert tuning.gaps[0][1] == pytest.approx(np.quantile(_needed()[:, :10], SHARES[0]), rel=0.01)


def test_where_the_target_is_out_of_reach_hardly_less_than_the_best_is_taken() -> None:
    best = dict(zip(EXTRA_CANDIDATES, (0.8, 0.8, 0.9 - 0.8 * FORGONE, 0.9, 0.9), strict=True))
    tuning = _tuned(lambda depth, gap, candidates: best[candidates])
    assert tuning.candidates == 220


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
def tunings(draw: st.DrawFn) -> Tuning:
    """What `tune` could have measured."""
    gaps = st.floats(LEAST_GAP, EVERYTHING)
    measured = draw(st.lists(gaps, min_size=1, max_size=len(DEPTHS)))
    return Tuning(0.99, 60, tuple(zip(DEPTHS, sorted(measured), strict=False)))


@given(tuning=tunings(), one=st.floats(0, 1e9), other=st.floats(0, 1e9))
def test_the_deeper_the_search_the_wider_the_gap_up_to_everything(
    tuning: Tuning, one: float, other: float
) -> None:
    shallow, deep = (tuning.gap(depth) for depth in sorted((one, other)))
    assert LEAST_GAP <= shallow <= deep * (1 + 1e-12) <= EVERYTHING * (1 + 1e-12)


@given(tuning=tunings(), one=st.floats(1e-6, 1), other=st.floats(1e-6, 1))
def test_the_less_a_filter_allows_the_fewer_candidates_are_compared(
    tuning: Tuning, one: float, other: float
) -> None:
    few, many = (tuning.candidates_among(share) for share in sorted((one, other)))
    assert few <= many <= tuning.candidates
    assert tuning.candidates_among(1) == tuning.candidates


@given(tuning=tunings())
def test_at_a_depth_that_was_measured_it_is_what_was_measured(tuning: Tuning) -> None:
    for depth, gap in tuning.gaps:
        assert tuning.gap(depth) == pytest.approx(gap)


def test_between_two_depths_it_grows_by_the_same_factor() -> None:
    tuning = Tuning(0.99, 60, ((10, 0.1), (100, 0.2)))
    assert tuning.gap(10**1.5) == pytest.approx(0.1 * 2**0.5)
    assert tuning.gap(1000) == pytest.approx(0.4)
    assert tuning.gap(10**9) == EVERYTHING


def test_beyond_a_single_measurement_it_grows_as_much_as_from_one_image_to_ten() -> None:
    tuning = Tuning(0.99, 60, ((10, 0.1),))
    assert tuning.gap(100) == pytest.approx(0.2)
    assert tuning.gap(3) == 0.1
