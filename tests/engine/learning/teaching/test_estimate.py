"""How many there are: right where it can be known, and nothing where it cannot."""

from __future__ import annotations

import numpy as np

from engine.learning.teaching.estimate import (
    EstimateOptions,
    dealt,
    estimate,
    probabilities,
)

HOW = EstimateOptions()


def _world(seed: int, images: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of images, and which of them show the category, more often with the score."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(-3, 2, images)
    return scores, rng.random(images) < 1 / (1 + np.exp(-3 * scores))


def test_the_interval_holds_the_truth_though_the_uncertain_ones_were_asked() -> None:
    held = 0
    for seed in range(40):
        scores, shown = _world(seed)
        asked = np.argsort(np.abs(scores))[:80]
        rest = np.setdiff1d(np.arange(len(scores)), asked)
        rest_scores = scores[rest].astype(np.float32)
        told = estimate(scores[asked], shown[asked], rest_scores, len(rest), HOW)
        assert told is not None
        assert told.low <= told.count <= told.high
        held += told.low <= shown.sum() <= told.high
    assert held >= 34


def test_a_sample_stands_for_all() -> None:
    scores, shown = _world(0)
    asked, rest = np.arange(200), scores[200:].astype(np.float32)
    once = estimate(scores[asked], shown[asked], rest, len(rest), HOW)
    ten = estimate(scores[asked], shown[asked], rest, 10 * len(rest), HOW)
    assert once is not None
    assert ten is not None
    judged = int(shown[asked].sum())
    assert abs((ten.count - judged) - 10 * (once.count - judged)) <= 10


def test_answers_that_were_drawn_stand_for_all_of_their_kind() -> None:
    scores, shown = _world(2, 6000)
    asked, rest = np.arange(4000), scores[4000:].astype(np.float32)
    yes, no = np.flatnonzero(shown[asked]), np.flatnonzero(~shown[asked])
    drawn = np.concatenate([yes[:250], no[:250]])
    times = np.repeat([len(yes) / 250, len(no) / 250], 250)
    whole = estimate(scores[asked], shown[asked], rest, len(rest), HOW)
    told = estimate(scores[drawn], shown[drawn], rest, len(rest), HOW, times)
    assert whole is not None
    assert told is not None
    assert abs(told.count - whole.count) < 0.02 * len(rest)
    known = scores[drawn], shown[drawn], rest, HOW
    all_known = probabilities(scores[asked], shown[asked], rest, HOW)
    assert np.abs(probabilities(*known, times) - all_known).mean() < 0.02
    assert np.abs(probabilities(*known) - all_known).mean() > 0.05


def test_with_few_answers_nothing_is_said() -> None:
    scores = np.linspace(-3, 3, 12)
    rest = np.linspace(-3, 3, 50).astype(np.float32)
    assert estimate(scores, scores > 2, rest, 50, HOW) is None
    told = estimate(scores, scores > 0, rest, 50, HOW)
    assert told is not None
    assert told.precision is None


def test_precision_is_what_the_found_ones_are_expected_to_be() -> None:
    scores, shown = _world(1)
    asked, rest = np.arange(400), np.arange(400, 2000)
    told = estimate(scores[asked], shown[asked], scores[rest].astype(np.float32), 1600, HOW)
    assert told is not None
    assert told.precision is not None
    found = probabilities(scores[asked], shown[asked], scores[rest].astype(np.float32), HOW) >= 0.5
    assert abs(told.precision - shown[rest][found].mean()) < 0.1


def test_scores_that_tell_nothing_do_not_tell_the_contrary() -> None:
    scores = np.linspace(-1, 1, 20)
    likely = probabilities(scores, scores < 0, np.array([-1, 1], np.float32), HOW)
    np.testing.assert_allclose(likely, 0.5, atol=1e-3)


def test_copies_are_left_out_together() -> None:
    yes = np.arange(20) < 10
    groups = np.arange(20)
    groups[3], groups[14] = 2, 13
    fold_of = dealt(yes, groups, 5)
    assert fold_of[3] == fold_of[2]
    assert fold_of[14] == fold_of[13]
    assert set(fold_of[yes]) == set(fold_of[~yes]) == set(range(5))
