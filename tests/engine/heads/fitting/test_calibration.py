"""Calibrating one head: probabilities that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from scipy.optimize import minimize_scalar

from engine.heads.fitting.calibration import calibrate, fit_temperature
from index.records import Floats, Ids


def drawn_by_chance(count: int, seed: int) -> tuple[Floats, Ids]:
    """Return logits and labels drawn with just the probabilities that the logits say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 5))
    chances = scipy.special.softmax(logits, axis=1).cumsum(axis=1)
    labels = (rng.uniform(size=(count, 1)) > chances).sum(axis=1)
    return logits.astype(np.float32), labels.astype(np.int64)


def unlikelihood(logits: Floats, labels: Ids, temperature: float) -> float:
    log_p = scipy.special.log_softmax(logits.astype(np.float64) / temperature, axis=1)
    return float(-log_p[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_logits_that_are_too_large_by_a_factor_are_divided_by_it(factor: float) -> None:
    logits, labels = drawn_by_chance(4000, seed=1)
    temperature = fit_temperature(logits * np.float32(factor), labels)
    assert temperature == pytest.approx(factor, rel=0.15)


def test_overconfident_logits_are_cooled_down() -> None:
    logits, labels = drawn_by_chance(60, seed=2)
    assert fit_temperature(logits * 4, labels) > 1.5


def test_the_temperature_makes_validation_labels_as_likely_as_any_could() -> None:
    logits, labels = drawn_by_chance(4000, seed=3)
    found = minimize_scalar(
        lambda t: unlikelihood(logits * 2, labels, t), bounds=(0.1, 10), method="bounded"
    )
    ours = unlikelihood(logits * 2, labels, fit_temperature(logits * 2, labels))
    assert ours == pytest.approx(found.fun, abs=2e-3)


def test_a_few_right_answers_do_not_ask_for_ever_more_confidence() -> None:
    logits = np.eye(3, dtype=np.float32) * 4
    temperature = fit_temperature(logits, np.arange(3))
    confidence = scipy.special.softmax(logits / temperature, axis=1).max()
    assert confidence < 0.99


@pytest.mark.parametrize("shape", [(0, 4), (5, 1)])
def test_nothing_to_learn_from_leaves_the_temperature_at_one(shape: tuple[int, int]) -> None:
    assert fit_temperature(np.zeros(shape, np.float32), np.zeros(shape[0], np.int64)) == 1.0


def test_the_threshold_lets_in_all_but_the_least_sure_of_validation_images() -> None:
    share = np.linspace(0.1, 0.4, 101).astype(np.float32)
    _, accept = calibrate(np.zeros((101, 2), np.float32), np.zeros(101, np.int64), share)
    assert (share < accept).mean() == pytest.approx(0.02, abs=0.01)


def test_no_more_than_half_of_the_joint_distribution_is_asked_for() -> None:
    share = np.full(50, 0.99, np.float32)
    assert calibrate(np.zeros((50, 2), np.float32), np.zeros(50, np.int64), share)[1] == 0.5


def test_without_validation_images_nothing_is_calibrated() -> None:
    none = np.zeros(0, np.float32)
    assert calibrate(np.zeros((0, 2), np.float32), none.astype(np.int64), none) == (1.0, 0.5)
