"""The gate, against the whole softmax in double precision; layers, against scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import scipy.special
import torch
from scipy.optimize import minimize

from engine.heads.fitting.lbfgs import GATE_DECAY, GATE_LENGTH, fit_gate, minimal_layer
from engine.heads.fitting.rows import Barred, Rows, class_weights
from engine.heads.head import Dense
from engine.heads.options import TrainOptions
from index.records import Floats

DIM, NEW, OLD = 6, 2, 5


@dataclass(frozen=True)
class Problem:
    """New categories to be told apart from five frozen ones."""

    positives: Rows
    background: Floats
    frozen: Dense

    @property
    def rest(self) -> tuple[Floats, Floats]:
        """Log-sum-exp of the frozen logits of both."""
        inside, outside = (
            scipy.special.logsumexp(self.frozen(part), axis=1).astype(np.float32)
            for part in (self.positives.values, self.background)
        )
        return inside, outside

    def loss(self, point: torch.Tensor) -> torch.Tensor:
        """Return the loss of a gate: cross-entropy over frozen and new categories together."""
        bias, weight = point[:NEW], point[NEW:].reshape(NEW, DIM)
        length = np.linalg.norm(self.positives.values, axis=1).mean()

        def log_softmax(values: Floats) -> torch.Tensor:
            rows = torch.from_numpy(values).double()
            old = rows @ torch.from_numpy(self.frozen.weight).double().T
            old = old + torch.from_numpy(self.frozen.bias).double()
            return torch.log_softmax(torch.cat([old, rows @ weight.T + bias], dim=1), dim=1)

        labels = torch.from_numpy(self.positives.labels)
        balance = len(labels) / (NEW * torch.bincount(labels, minlength=NEW).double())
        right = log_softmax(self.positives.values).gather(1, OLD + labels[:, None])[:, 0]
        refused = log_softmax(self.background)[:, :OLD].logsumexp(dim=1)
        decay = GATE_DECAY * (weight / (GATE_LENGTH / length)).square().sum()
        loss: torch.Tensor = -(balance[labels] * right).mean() - refused.mean() + decay
        return loss

    def at(self, point: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        """Return loss and gradient."""
        leaf = torch.from_numpy(np.asarray(point, np.float64)).requires_grad_()
        loss = self.loss(leaf)
        torch.autograd.backward(loss)
        assert leaf.grad is not None
        return float(loss.detach()), leaf.grad.numpy()


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Return clouds that overlap, one category three times as frequent as the other."""
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], [60, 20])
    centres = rng.normal(0, 2, (NEW, DIM))
    values = centres[labels] + rng.normal(0, 1.5, (80, DIM))
    background = rng.normal(0, 2, (150, DIM))
    frozen = Dense(
        rng.normal(0, 0.5, (OLD, DIM)).astype(np.float32), rng.normal(size=OLD).astype(np.float32)
    )
    rows = Rows(values.astype(np.float32), labels.astype(np.int64))
    return Problem(rows, background.astype(np.float32), frozen)


@pytest.fixture(scope="module")
def gate(problem: Problem) -> Dense:
    """The gate that the engine finds."""
    return fit_gate(problem.positives, NEW, problem.background, problem.rest)


def flat(gate: Dense) -> npt.NDArray[np.float64]:
    return np.concatenate([gate.bias, gate.weight.ravel()]).astype(np.float64)


def test_the_gates_gradient_has_vanished(problem: Problem, gate: Dense) -> None:
    _, start = problem.at(np.zeros(NEW * (DIM + 1)))
    _, end = problem.at(flat(gate))
    assert np.linalg.norm(end) < 0.01 * np.linalg.norm(start)


def test_no_gate_has_a_smaller_loss(problem: Problem, gate: Dense) -> None:
    best = minimize(problem.at, np.ones(NEW * (DIM + 1)), jac=True, method="BFGS")
    assert best.success
    assert problem.at(flat(gate))[0] == pytest.approx(best.fun, abs=1e-4)


def test_the_optimum_is_the_same_wherever_the_search_starts(problem: Problem, gate: Dense) -> None:
    start = Dense(np.full((NEW, DIM), 0.5, np.float32), np.full(NEW, -2, np.float32))
    again = fit_gate(problem.positives, NEW, problem.background, problem.rest, start)
    assert problem.at(flat(again))[0] == pytest.approx(problem.at(flat(gate))[0], abs=1e-4)


def test_embeddings_of_another_length_are_judged_alike(problem: Problem, gate: Dense) -> None:
    longer = Rows(problem.positives.values * 100, problem.positives.labels)
    scaled = fit_gate(longer, NEW, problem.background * 100, problem.rest)
    np.testing.assert_allclose(
        scaled(longer.values), gate(problem.positives.values), rtol=0.05, atol=0.05
    )


def test_the_gate_lets_its_own_in_and_keeps_most_others_out(problem: Problem, gate: Dense) -> None:
    inside, outside = problem.rest
    taken = scipy.special.logsumexp(gate(problem.positives.values), axis=1) > inside
    wrongly_taken = scipy.special.logsumexp(gate(problem.background), axis=1) > outside
    assert taken.mean() > 0.8
    assert wrongly_taken.mean() < 0.2


@pytest.mark.parametrize("weight_decay", [0.1, 1.0, 10.0])
def test_lbfgs_finds_the_minimum_that_scikit_learn_finds(weight_decay: float) -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [50, 30, 10])
    values = (rng.normal(size=(90, 6)) + labels[:, None] * 0.5).astype(np.float32)
    options = TrainOptions(optimizer="lbfgs", weight_decay=weight_decay, epochs=500)

    layer = minimal_layer(values, labels, 1.0, class_weights(labels, 3), options)

    oracle = LogisticRegression(
        C=1 / weight_decay, class_weight="balanced", tol=1e-8, max_iter=5000
    ).fit(values, labels)
    centred = layer.weight - layer.weight.mean(axis=0)
    assert np.allclose(centred, oracle.coef_ - oracle.coef_.mean(axis=0), atol=5e-3)


def test_what_is_barred_is_kept_out_of_those_categories_alone(problem: Problem) -> None:
    rows = problem.positives.labels == 0
    values = problem.positives.values[rows]
    frozen = problem.rest[0][rows]
    mask = np.zeros((len(values), NEW), np.bool_)
    mask[:, 1] = True
    free = fit_gate(problem.positives, NEW, problem.background, problem.rest)
    barred = Barred(values, frozen, mask)
    gate = fit_gate(problem.positives, NEW, problem.background, problem.rest, barred=barred)
    assert gate(values)[:, 1].mean() < free(values)[:, 1].mean() - 0.1
    assert (gate(values)[:, 0] > frozen).mean() == pytest.approx(
        (free(values)[:, 0] > frozen).mean(), abs=0.1
    )
