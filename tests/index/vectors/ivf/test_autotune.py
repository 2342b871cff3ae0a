"""Margins and candidates are chosen by recall, held against searches with made-up results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Floats, Ids
from index.vectors.ivf.autotune import (
    DEPTHS,
    EXTRA_CANDIDATES,
    FORGONE,
    LEAST_MARGIN,
    NEIGHBOURS,
    ROUNDING,
    SHARES,
    TARGET,
    Autotuned,
    GroundTruth,
    Trial,
    autotune,
)
from index.vectors.ivf.probe import MAX_MARGIN

QUERIES = 100
DEPTH = DEPTHS[-1] + 1
Share = Callable[[int, float, int], float]


def _truth(depth: int = DEPTH) -> GroundTruth:
    """Of every query the same positions are nearest, all differently near."""
    positions = np.broadcast_to(np.arange(depth, dtype=np.int64), (QUERIES, depth))
    scores = np.broadcast_to(np.linspace(1, 0, depth, dtype=np.float32), (QUERIES, depth))
    return GroundTruth(positions, scores)


def _needed(depth: int = DEPTH) -> Floats:
    """Of every query some lists are nearer than others, and the deeper the farther."""
    rng = np.random.default_rng(0)
    return np.asarray(0.01 * rng.random((QUERIES, depth)) * (1 + np.arange(depth) / 10), np.float32)


def _trial(depth: int, share: Share, needed: Floats) -> Trial:
    """Return searches that find `share(depth, margin, candidates)` of the nearest, else nothing."""

    def search(margin: float, candidates: int) -> Ids:
        assert 0 < margin <= MAX_MARGIN
        found = np.broadcast_to(np.arange(NEIGHBOURS, dtype=np.int64), (QUERIES, NEIGHBOURS)).copy()
        missed = round((1 - share(depth, margin, candidates)) * found.size)
        found.reshape(-1)[:missed] = -1
        return found

    return Trial(depth, search, _truth(), needed[:, :depth])


def _autotuned(
    share: Share, depths: Sequence[int] = DEPTHS[:1], needed: Floats | None = None
) -> Autotuned:
    """Tune by searches at these depths."""
    needed = _needed() if needed is None else needed
    trials = [_trial(depth, share, needed) for depth in depths]
    return autotune(trials, lambda margin: 1000 * margin)


def _enough(margin: float, needed: float) -> float:
    return 1.0 if margin >= needed else 0.5


def test_the_least_margin_that_finds_enough_is_chosen() -> None:
    enough = float(np.quantile(_needed()[:, :10], SHARES[2]))
    autotuned = _autotuned(lambda depth, margin, candidates: _enough(margin, enough))
    assert enough <= autotuned.margins[0][1] <= np.quantile(_needed()[:, :10], SHARES[6])
    assert autotuned.recall == 1.0


def test_at_each_depth_the_least_margin_that_finds_enough_is_chosen() -> None:
    shares = dict(zip(DEPTHS, (SHARES[1], SHARES[4], SHARES[2]), strict=True))
    enough = {d: float(np.quantile(_needed()[:, :d], share)) for d, share in shares.items()}
    autotuned = _autotuned(lambda depth, margin, candidates: _enough(margin, enough[depth]), DEPTHS)
    assert [depth for depth, _ in autotuned.margins] == list(DEPTHS)
    for depth, margin in autotuned.margins:
        next_share = SHARES[SHARES.index(shares[depth]) + 2]
        most = np.quantile(_needed()[:, :depth], next_share)
        assert enough[depth] <= margin <= most + 2 * ROUNDING


def test_deeper_searches_compare_as_many_candidates_as_filters_leave_them() -> None:
    seen: dict[int, set[int]] = {depth: set() for depth in DEPTHS}

    def share(depth: int, margin: float, candidates: int) -> float:
        seen[depth].add(candidates)
        return 1.0

    autotuned = _autotuned(share, DEPTHS)
    for depth in DEPTHS[1:]:
        assert seen[depth] == {autotuned.candidates_among(NEIGHBOURS / depth)}


def test_deeper_searches_never_probe_fewer_lists() -> None:
    needed = _needed()
    needed[:, 10:] = 0
    autotuned = _autotuned(lambda depth, margin, candidates: 1.0, DEPTHS, needed)
    assert len({margin for _, margin in autotuned.margins}) == 1


def test_where_nothing_could_be_measured_every_list_is_probed() -> None:
    truth = GroundTruth(np.zeros((1, 0), np.int64), np.zeros((1, 0), np.float32))
    nothing = np.zeros((1, 0), np.float32)
    trial = Trial(10, lambda margin, candidates: np.zeros((1, 10), np.int64), truth, nothing)
    assert autotune([trial], lambda margin: 1.0).margins == ((10, MAX_MARGIN),)


@pytest.mark.parametrize(
    ("needed", "candidates"),
    [
        # The margins tried lie between 0.1 and 0.2, of 1000 lists for each 1.0.
        ([0.0, 0.0, 0.0, 0.0, 0.0], 100),
        ([0.19, 0.0, 0.0, 0.0, 0.0], 150),
        ([0.19, 0.19, 0.17, 0.17, 0.0], 400),
        ([2.0, 2.0, 0.0, 0.0, 0.0], 220),
    ],
)
def test_the_cheapest_number_of_candidates_is_chosen(needed: list[float], candidates: int) -> None:
    by_count = dict(zip(EXTRA_CANDIDATES, needed, strict=True))
    drawn = np.linspace(0.1, 0.2, QUERIES * DEPTH, dtype=np.float32)
    # Nearly all of what the shares differ by lies far apart.
    drawn[: int(SHARES[0] * QUERIES * DEPTH)] = 0.1
    drawn = np.random.default_rng(0).permutation(drawn).reshape(QUERIES, DEPTH)
    autotuned = _autotuned(
        lambda depth, margin, extra: _enough(margin, by_count[extra]), needed=drawn
    )
    assert autotuned.candidates == candidates
    assert autotuned.recall == 1.0


def test_a_result_just_below_the_target_is_not_enough() -> None:
    enough = float(np.quantile(_needed()[:, :10], SHARES[-2]))
    autotuned = _autotuned(
        lambda depth, margin, candidates: 0.999 if margin >= enough else TARGET + 0.001
    )
    assert autotuned.recall == 0.999
    assert autotuned.margins[0][1] >= enough


def test_where_the_target_is_out_of_reach_no_more_is_probed_than_helps() -> None:
    autotuned = _autotuned(lambda depth, margin, candidates: 0.9)
    assert autotuned.recall == 0.9
    assert autotuned.candidates == EXTRA_CANDIDATES[0]
    assert autotuned.margins[0][1] == pytest.approx(
        np.quantile(_needed()[:, :10], SHARES[0]), rel=0.01
    )


def test_where_the_target_is_unreachable_nearly_the_best_is_taken() -> None:
    best = dict(zip(EXTRA_CANDIDATES, (0.8, 0.8, 0.9 - 0.8 * FORGONE, 0.9, 0.9), strict=True))
    autotuned = _autotuned(lambda depth, margin, candidates: best[candidates])
    assert autotuned.candidates == 220


def test_what_was_found_is_told_as_a_share() -> None:
    truth = _truth()
    found = np.tile(np.array([0, 1, 2, 3, 4, 5, 6, 70, 80, -1]), (QUERIES, 1))
    assert truth.recall(found) == pytest.approx(0.7)


def _tied(scores: list[float]) -> GroundTruth:
    return GroundTruth(np.arange(len(scores))[None], np.array([scores], np.float32))


def test_a_twin_of_what_is_nearest_counts_as_found() -> None:
    truth = _tied([0.9, 0.8, 0.8, 0.8, 0.1])
    assert truth.recall(np.array([[0, 3]])) == 1.0
    assert truth.recall(np.array([[2, 3]])) == 1.0
    assert truth.recall(np.array([[0, 4]])) == 0.5


def test_what_is_only_nearly_as_near_does_not_count_as_found() -> None:
    assert _tied([0.9, 0.8, 0.7999, 0.1]).recall(np.array([[0, 2]])) == 0.5


def test_a_query_with_more_twins_than_are_known_tells_nothing() -> None:
    clear, unclear = [0.9, 0.8, 0.1], [0.9, 0.9, 0.9]
    truth = GroundTruth(np.array([[0, 1, 2], [0, 1, 2]]), np.array([clear, unclear], np.float32))
    assert truth.recall(np.array([[0, 7], [8, 9]])) == 0.5


def test_where_fewer_are_known_than_wanted_all_known_ones_count() -> None:
    assert _tied([0.9, 0.8]).recall(np.array([[1, 0, -1, -1]])) == 1.0
    assert _tied([0.9, 0.8]).recall(np.array([[1, -1, -1, -1]])) == 0.5


@st.composite
def results(draw: st.DrawFn) -> Autotuned:
    """What `autotune` could have measured."""
    margins = st.floats(LEAST_MARGIN, MAX_MARGIN)
    measured = draw(st.lists(margins, min_size=1, max_size=len(DEPTHS)))
    return Autotuned(0.99, 60, tuple(zip(DEPTHS, sorted(measured), strict=False)))


@given(autotuned=results(), one=st.floats(0, 1e9), other=st.floats(0, 1e9))
def test_the_deeper_the_search_the_wider_the_margin_up_to_every_list(
    autotuned: Autotuned, one: float, other: float
) -> None:
    shallow, deep = (autotuned.margin(depth) for depth in sorted((one, other)))
    assert LEAST_MARGIN <= shallow <= deep * (1 + 1e-12) <= MAX_MARGIN * (1 + 1e-12)


@given(autotuned=results(), one=st.floats(1e-6, 1), other=st.floats(1e-6, 1))
def test_the_less_a_filter_allows_the_fewer_candidates_are_compared(
    autotuned: Autotuned, one: float, other: float
) -> None:
    few, many = (autotuned.candidates_among(share) for share in sorted((one, other)))
    assert few <= many <= autotuned.candidates
    assert autotuned.candidates_among(1) == autotuned.candidates


@given(autotuned=results())
def test_at_a_depth_that_was_measured_it_is_what_was_measured(autotuned: Autotuned) -> None:
    for depth, margin in autotuned.margins:
        assert autotuned.margin(depth) == pytest.approx(margin)


def test_between_two_depths_it_grows_by_the_same_factor() -> None:
    autotuned = Autotuned(0.99, 60, ((10, 0.1), (100, 0.2)))
    assert autotuned.margin(10**1.5) == pytest.approx(0.1 * 2**0.5)
    assert autotuned.margin(1000) == pytest.approx(0.4)
    assert autotuned.margin(10**9) == MAX_MARGIN


def test_beyond_one_measurement_it_grows_as_from_one_image_to_ten() -> None:
    autotuned = Autotuned(0.99, 60, ((10, 0.1),))
    assert autotuned.margin(100) == pytest.approx(0.2)
    assert autotuned.margin(3) == 0.1
