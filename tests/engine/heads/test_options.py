"""What people may ask of a training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import UsageError
from engine.heads import numerics
from engine.heads.options import ACTIVATIONS, MANY, OPTIMIZERS, TrainOptions


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"activation": "step"}, "relu"),
        ({"optimizer": "adam"}, "adamw"),
        ({"dropout": 1.0}, "0.95"),
        ({"epochs": 0}, "1"),
        ({"patience": 0}, "1"),
        ({"batch": 0}, "1"),
        ({"lr": 0.0}, "1e-08"),
        ({"lr": float("nan")}, "1e-08"),
        ({"weight_decay": -0.1}, "0"),
        ({"label_smoothing": 1.0}, "0.9"),
        ({"validation": 1.0}, "0.9"),
        ({"seed": -1}, "0"),
        ({"hidden": (64, 0)}, "1 or more"),
        ({"optimizer": "lbfgs", "hidden": (64,)}, "Leave out the hidden layers"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_cannot_be_trained_with_is_refused_with_what_can(
    wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        TrainOptions(**wrong)
    assert next(iter(wrong)) in str(caught.value)
    assert told in caught.value.remedy


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_each_optimizer_has_a_step_size_of_its_own(optimizer: str) -> None:
    assert TrainOptions(optimizer=optimizer).rate == OPTIMIZERS[optimizer]
    assert TrainOptions(optimizer=optimizer, lr=0.5).rate == 0.5


def test_the_activations_that_may_be_named_are_those_that_heads_compute() -> None:
    assert tuple(numerics.ACTIVATIONS) == ACTIVATIONS


@pytest.mark.parametrize("rows", [1, 1000, MANY])
def test_options_mean_what_they_say_for_few_images(rows: int) -> None:
    assert TrainOptions().scaled(rows) == TrainOptions()


def test_many_images_are_seen_less_often_and_more_of_them_at_once() -> None:
    options = TrainOptions()
    many, more = options.scaled(100_000), options.scaled(1_000_000)
    assert many.batch == more.batch > options.batch
    assert options.epochs > many.epochs > more.epochs >= 3
    assert many.decay


def test_hidden_layers_have_a_lower_learning_rate_than_a_linear_head() -> None:
    linear, hidden = (replace(TrainOptions(), hidden=each).scaled(100_000) for each in ((), (16,)))
    assert TrainOptions().rate < hidden.rate < linear.rate


def test_very_many_images_take_no_more_epochs_than_were_asked_for() -> None:
    assert replace(TrainOptions(), epochs=2).scaled(100_000).epochs == 2
