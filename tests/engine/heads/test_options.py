"""What people may ask of a training."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UsageError
from engine.heads import numerics
from engine.heads.options import ACTIVATIONS, OPTIMIZERS, TrainOptions


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
