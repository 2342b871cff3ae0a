"""Logistic regression on a few answers, to its minimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from engine.heads.fitting.rows import embedding_scale
from engine.learning.teaching.scorer import Answered, ScorerOptions, drawn_answers

DIM, JUDGED, OTHERS = 16, 14, 20


def _answered(seed: int, how: ScorerOptions) -> tuple[Answered, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    unit = rng.normal(size=(JUDGED + OTHERS, DIM)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    yes = np.arange(JUDGED) < 5
    return Answered(unit, yes, how), unit, yes


@pytest.mark.parametrize("seed", range(3))
def test_the_scorer_is_the_one_of_least_loss(seed: int) -> None:
    how = ScorerOptions(tolerance=1e-9)
    answered, unit, yes = _answered(seed, how)
    target = np.concatenate([yes, np.zeros(OTHERS, np.bool_)])
    weight = np.where(target, 1 / 5, 1 / 9)
    weight[JUDGED:] = 2 * how.background_share / OTHERS
    weight /= weight.sum()
    scaled = unit.astype(np.float64) * embedding_scale(DIM)
    sign = np.where(target, 1, -1)

    def loss(point: np.ndarray) -> float:
        logits = scaled @ point[:DIM] + point[DIM]
        entropy = float(weight @ np.logaddexp(0, -sign * logits))
        return entropy + how.decay / 2 * float(point[:DIM] @ point[:DIM])

    found, bias = answered.direction()
    mine = np.append(found / embedding_scale(DIM), bias)
    best = minimize(loss, np.zeros(DIM + 1), method="BFGS", options={"gtol": 1e-8})
    assert loss(mine) == pytest.approx(best.fun, abs=1e-6)


def test_what_is_left_out_is_scored_by_others() -> None:
    answered, unit, yes = _answered(0, ScorerOptions())
    folds = np.arange(JUDGED) % 7
    scores = answered.left_out(folds)
    kept = np.flatnonzero(np.concatenate([folds != 3, np.ones(OTHERS, np.bool_)]))
    alone = Answered(unit[kept], yes[folds != 3], ScorerOptions())
    weight, bias = alone.direction()
    out = np.flatnonzero(folds == 3)
    np.testing.assert_allclose(scores[out], unit[out] @ weight + bias, atol=1e-3)


def test_where_nobody_said_no_the_others_are_all_there_is() -> None:
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(30, DIM)).astype(np.float32)
    unit[:3, 0] += 4
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    weight, bias = Answered(unit, np.ones(3, np.bool_)).direction()
    scores = unit @ weight + bias
    assert scores[:3].min() > scores[3:].max()


@pytest.mark.parametrize(
    ("yes", "no", "learned"),
    [
        (4, 6, (4, 6)),
        (3, 900, (3, 597)),
        (900, 3, (597, 3)),
        (900, 400, (300, 300)),
        (0, 601, (0, 600)),
    ],
)
def test_of_many_answers_some_are_learned_from_of_the_rarer_kind_up_to_a_half(
    yes: int, no: int, learned: tuple[int, int]
) -> None:
    said = np.arange(yes + no) < yes
    drawn = drawn_answers(said, 600)
    assert (int(said[drawn].sum()), int((~said[drawn]).sum())) == learned
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, drawn_answers(said, 600))
