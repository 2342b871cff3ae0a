"""The epoch loop: which weights it keeps, when it stops, and what it tells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pytest
import torch
from torch import nn

from engine.errors import TrainingError
from engine.heads.fitting.epochs import Batch, Training, answers, run_epochs, untrained, validate

NAN = float("nan")


class Walking(nn.Module):
    """One weight that counts steps; the logits say it back."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits `[n, 2]` that prefer label 1 the more, the larger the weight."""
        return torch.stack([torch.zeros(len(inputs)), self.weight.expand(len(inputs))], dim=1)


class Scripted:
    """A learner whose weight is set by a script: one value after each epoch.

    Parameters
    ----------
    script
        The weight after each epoch. The validation loss falls as it rises.
    validated
        How many rows there are to validate on.
    """

    peak_lr = 0.25

    def __init__(self, script: Sequence[float], validated: int = 3) -> None:
        self.network = Walking()
        self.lr = 0.25
        self.asked: list[int] = []
        self._script, self._validated = script, validated

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield two batches; after them the weight is what the script says."""
        self.asked.append(epoch)
        for size in (3, 1):
            yield torch.zeros(size, 1), torch.ones(size, dtype=torch.int64)
        self.network.weight.data.fill_(self._script[epoch - 1])

    def validation(self) -> Iterator[Batch]:
        """Yield rows of label 1."""
        if self._validated:
            yield torch.zeros(self._validated, 1), torch.ones(self._validated, dtype=torch.int64)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy."""
        return nn.functional.cross_entropy(logits, labels)

    def step(self) -> None:
        """Take no step, but a smaller learning rate."""
        self.lr /= 2

    def weights(self) -> Mapping[str, torch.Tensor]:
        """Return the weight."""
        return dict(self.network.named_parameters())


def run(learner: Scripted, epochs: int, **limits: float) -> list[Training]:
    """Return the training after each epoch."""
    return list(run_epochs(learner, epochs, **limits))  # type: ignore[arg-type]


def kept(training: Training) -> tuple[int, float]:
    """Return the best epoch, and the weight that was kept of it."""
    return training.best_epoch, training.best["weight"].item()


def test_the_weights_of_the_least_validation_loss_are_kept() -> None:
    last = run(Scripted([1.0, 3.0, 2.0, 2.5]), 4)[-1]
    assert kept(last) == (2, 3.0)
    losses = [row["validation_loss"] for row in last.history]
    assert last.best_loss == min(losses) == losses[1]


def test_of_equally_good_epochs_the_first_is_kept() -> None:
    assert kept(run(Scripted([1.0, 3.0, 3.0]), 3)[-1]) == (2, 3.0)


def test_without_validation_the_last_weights_are_kept() -> None:
    last = run(Scripted([3.0, 2.0, 1.0], validated=0), 3, patience=1)[-1]
    assert kept(last) == (3, 1.0)
    assert "validation_loss" not in last.history[-1]
    assert last.best_loss == math.inf


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_training_stops_after_so_many_epochs_without_gain(patience: int) -> None:
    learner = Scripted([1.0, 2.0, 1.9, 1.8, 1.7, 3.0])
    last = run(learner, 6, patience=patience)[-1]
    assert (last.epoch, last.best_epoch) == (2 + patience, 2)


def test_without_patience_every_epoch_is_taken() -> None:
    assert run(Scripted([3.0, 2.0, 1.0, 0.0]), 4)[-1].epoch == 4


def test_a_deadline_ends_training_after_the_epoch_it_is_in() -> None:
    assert [each.epoch for each in run(Scripted([1.0, 2.0]), 2, deadline=0.0)] == [1]


def test_a_row_tells_the_rate_of_the_first_step_and_means_over_all_rows() -> None:
    first, second = run(Scripted([50.0, 50.0]), 2)[-1].history
    told = "epoch lr loss accuracy validation_loss validation_accuracy"
    assert list(first) == list(second) == told.split()
    assert (first["epoch"], first["lr"]) == (1, 0.25)
    assert first["loss"] == pytest.approx(math.log(2))
    assert (first["accuracy"], first["validation_accuracy"]) == (0, 1)
    assert (second["epoch"], second["lr"], second["loss"], second["accuracy"]) == (2, 0.0625, 0, 1)


@pytest.mark.parametrize("validated", [0, 3])
@pytest.mark.parametrize("poison", [NAN, math.inf])
def test_a_weight_that_is_not_finite_ends_training_with_the_best_before(
    poison: float, validated: int
) -> None:
    learner = Scripted([1.0, 2.0, poison, 4.0], validated)
    *_, before, last = run(learner, 4)
    assert last.diverged and not before.diverged
    assert kept(last) == kept(before) == (2, 2.0)
    assert (last.history, last.epoch, learner.asked) == (before.history, 2, [1, 2, 3])


def test_nan_in_the_first_epoch_is_an_error_that_names_the_learning_rate() -> None:
    with pytest.raises(
        TrainingError, match=r"learning rate 0\.25: the loss is NaN after one epoch"
    ):
        run(Scripted([NAN]), 4)


def test_the_untrained_weights_may_be_the_best() -> None:
    learner = Scripted([-1.0, -2.0])
    start = untrained(learner)
    last = list(run_epochs(learner, 2, start=start))[-1]
    assert kept(last) == (0, 0.0)
    assert [row["epoch"] for row in last.history] == [0, 1, 2]


def test_a_training_goes_on_where_it_was() -> None:
    whole = run(Scripted([1.0, 3.0, 2.0]), 3)
    for number, earlier in enumerate(whole[:-1], start=1):
        learner = Scripted([1.0, 3.0, 2.0])
        learner.network.weight.data.fill_([1.0, 3.0][number - 1])
        learner.lr = 0.25 / 4**number
        again = list(run_epochs(learner, 3, start=earlier))[-1]
        assert learner.asked == list(range(number + 1, 4))
        assert kept(again) == kept(whole[-1])
        assert again.history == whole[-1].history


def test_what_was_kept_does_not_change_with_later_steps() -> None:
    trainings = run(Scripted([2.0, 1.0]), 2)
    assert kept(trainings[0]) == kept(trainings[1]) == (1, 2.0)


def test_a_finished_training_has_no_epoch_left() -> None:
    done = run(Scripted([1.0]), 1)[-1]
    assert list(run_epochs(Scripted([1.0]), 1, start=done)) == []


def test_answers_come_in_order_without_dropout_or_gradients() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.9))
    network.train()
    inputs = torch.randn(7, 2)
    labels = torch.arange(7)
    found, asked = answers(network, [(inputs[:4], labels[:4]), (inputs[4:], labels[4:])])
    assert torch.equal(asked, labels)
    assert not found.requires_grad
    torch.testing.assert_close(found, network[0](inputs).detach())


def test_nothing_to_validate_on_is_no_row() -> None:
    assert validate(Scripted([], validated=0)) == {}
