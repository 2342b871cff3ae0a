"""Probabilities that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from scipy.optimize import minimize_scalar

from engine.heads.temperature import expected_calibration_error, fit_temperature
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


def test_the_temperature_makes_held_out_labels_as_likely_as_any_could() -> None:
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


def test_the_calibration_error_is_the_one_worked_out_by_hand() -> None:
    best = np.array([0.95, 0.62, 0.68, 0.85], np.float32)
    probability = np.stack([best, 1 - best], axis=1)
    # In one bin 0.62 and 0.68, right once: 0.15 of half the pictures; alone 0.95 and 0.85.
    wanted = 0.15 * 0.5 + 0.05 * 0.25 + 0.15 * 0.25
    found = expected_calibration_error(probability, np.array([0, 1, 0, 0]))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_confidence_that_equals_accuracy_has_no_calibration_error() -> None:
    probability = np.tile(np.array([0.75, 0.25], np.float32), (8, 1))
    labels = np.array([0, 0, 0, 1, 0, 0, 0, 1])
    assert expected_calibration_error(probability, labels) == 0.0


def test_being_sure_and_wrong_is_the_worst_calibration_error() -> None:
    probability = np.tile(np.array([1.0, 0.0], np.float32), (8, 1))
    assert expected_calibration_error(probability, np.ones(8, np.int64)) == 1.0


def test_no_images_have_no_calibration_error() -> None:
    assert expected_calibration_error(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)) == 0.0
