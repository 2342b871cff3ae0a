"""The epoch loop of everything that is trained in epochs: heads, backbones, networks from scratch.

A `Learner` says what is trained and on what; `run_epochs` yields a `Training` after each epoch, so
that callers tell of progress, write checkpoints or stop between two. The weights kept are those of
the epoch with the least validation loss, or the last one's where nothing validates. Everything
here imports torch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import nn

from engine.errors import TrainingError

Batch = tuple[torch.Tensor, torch.Tensor]
Weights = dict[str, torch.Tensor]
History = list[dict[str, float]]


class Learner(Protocol):
    """What is trained, on what, and how."""

    @property
    def network(self) -> nn.Module:
        """Turns inputs into logits `[n, outputs]`."""

    @property
    def peak_lr(self) -> float:
        """The learning rate that was asked for: what an error names when it is too large."""

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield inputs and labels int64 `[n]` of the steps of an epoch, which count from 1.

        Between two yields the learner has taken a step.
        """

    def validation(self) -> Iterator[Batch]:
        """Yield inputs and labels to validate on; none where nothing validates."""

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss to be minimised, a scalar."""

    def step(self) -> None:
        """Move the weights against their gradients, and clear the gradients."""

    def weights(self) -> Mapping[str, torch.Tensor]:
        """Return all tensors that training changes, by name; not copies."""


@dataclass(frozen=True, slots=True)
class Training:
    """A training after an epoch.

    Attributes
    ----------
    epoch
        How many epochs are done.
    history
        One row per epoch: `epoch`, `lr` of its first step, `loss` and `accuracy` over its
        batches, `validation_loss` and `validation_accuracy` where something validates.
    best
        Copies of the weights after the best epoch.
    best_epoch, best_loss
        Which one that is, and its validation loss; infinite where nothing validates.
    diverged
        The loss or a weight was NaN or infinite in the epoch after this, which ended the training.
    """

    epoch: int = 0
    history: History = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    best_epoch: int = 0
    best_loss: float = math.inf
    diverged: bool = False

    def after(self, row: dict[str, float], weights: Weights) -> Training:
        """Return the training after one more epoch, whose row of the history this is."""
        epoch, loss = int(row["epoch"]), row.get("validation_loss")
        one_more = replace(self, epoch=epoch, history=[*self.history, row])
        if loss is not None and loss >= self.best_loss:
            return one_more
        best_loss = math.inf if loss is None else loss
        return replace(one_more, best=weights, best_epoch=epoch, best_loss=best_loss)


def run_epochs(
    learner: Learner,
    epochs: int,
    *,
    patience: int | None = None,
    deadline: float = math.inf,
    start: Training | None = None,
) -> Iterator[Training]:
    """Train epoch by epoch; yield the training after each.

    Parameters
    ----------
    epochs
        How many at most, those of `start` included.
    patience
        Stop after so many epochs without a better validation loss.
    deadline
        By `time.monotonic`; the epoch that goes beyond it is the last.
    start
        A training to go on with, whose learner has been put in the state after its last epoch.

    Raises
    ------
    TrainingError
        The loss is NaN in the very first epoch. In a later one training ends, and the last
        `Training` says so.
    """
    training = start or Training()
    patience = epochs if patience is None else patience
    while training.epoch < epochs and training.epoch - training.best_epoch < patience:
        row = {"epoch": training.epoch + 1.0, "lr": learner.lr}
        row |= _train(learner, training.epoch + 1)
        row |= validate(learner)
        weights = {name: tensor.detach().clone() for name, tensor in learner.weights().items()}
        if not _all_finite(row.values(), weights.values()):
            if not training.epoch:
                raise _too_large(learner.peak_lr)
            yield replace(training, diverged=True)
            return
        training = training.after(row, weights)
        yield training
        if time.monotonic() > deadline:
            return


def untrained(learner: Learner) -> Training:
    """Return the training before its first epoch, whose weights may turn out to be the best."""
    weights = {name: tensor.detach().clone() for name, tensor in learner.weights().items()}
    return Training().after({"epoch": 0.0} | validate(learner), weights)


def validate(learner: Learner) -> dict[str, float]:
    """Return the validation's part of a row of the history; nothing where nothing validates."""
    logits, labels = answers(learner.network, learner.validation())
    return validation_row(logits, labels) if len(labels) else {}


def validation_row(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Return `validation_loss`, the mean cross-entropy, and `validation_accuracy`."""
    return {
        "validation_loss": float(nn.functional.cross_entropy(logits, labels)),
        "validation_accuracy": float((logits.argmax(1) == labels).float().mean()),
    }


@torch.no_grad()
def answers(network: nn.Module, batches: Iterable[Batch]) -> Batch:
    """Return a network's logits `[n, outputs]` and the labels `[n]` of all batches together."""
    network.eval()
    parts = [(network(inputs), labels) for inputs, labels in batches]
    if not parts:
        return torch.empty(0, 0), torch.empty(0, dtype=torch.int64)
    logits, labels = zip(*parts, strict=True)
    return torch.cat(logits), torch.cat(labels)


def _train(learner: Learner, epoch: int) -> dict[str, float]:
    """Take the steps of an epoch; return mean loss and accuracy over its batches."""
    learner.network.train()
    sum_of_losses, right, seen = 0.0, 0, 0
    for inputs, labels in learner.batches(epoch):
        logits = learner.network(inputs)
        loss = learner.loss(logits, labels)
        torch.autograd.backward(loss)
        learner.step()
        sum_of_losses += loss.item() * len(labels)
        right += int((logits.argmax(1) == labels).sum())
        seen += len(labels)
    return {"loss": sum_of_losses / max(1, seen), "accuracy": right / max(1, seen)}


def _all_finite(numbers: Iterable[float], tensors: Iterable[torch.Tensor]) -> bool:
    return all(map(math.isfinite, numbers)) and all(bool(t.isfinite().all()) for t in tensors)


def _too_large(lr: float) -> TrainingError:
    return TrainingError(
        f"learning rate {lr:g}",
        "the loss is NaN after one epoch",
        "Take a smaller --learning-rate, or leave it out",
    )
