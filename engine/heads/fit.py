"""The loops that train a head. Everything here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from engine.errors import TrainingError
from engine.heads.head import Dense
from engine.heads.lbfgs import minimal_layer
from engine.heads.options import ADAMW, LBFGS, TrainOptions
from engine.heads.rows import Rows, class_weights
from engine.heads.sgd import SGD, AdamW, Optimizer

History = list[dict[str, float]]

# The same functions as `numerics.ACTIVATIONS`, with gradients.
MODULES: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
# Rows asked at a time for a validation.
BLOCK = 4096
# Values in all rows together below which one thread is fastest.
SMALL = 1 << 25


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit came to.

    `epochs` is after how many the best layers stood; `diverged` says that the loss was no number
    any more after that.
    """

    layers: tuple[Dense, ...]
    epochs: int
    history: History
    diverged: bool = False


def fit_layers(
    rows: Rows,
    outputs: int,
    options: TrainOptions,
    *,
    held_out: Rows | None = None,
    epochs: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fitted:
    """Train dense layers by cross-entropy, rare categories weighing as much as common ones.

    Parameters
    ----------
    rows
        What to learn from.
    outputs
        How many categories there are.
    held_out
        Stop early by the loss on these, and keep the best epoch's layers.
    epochs
        Train for exactly this many instead.

    Raises
    ------
    TrainingError
        The loss is no number in the very first epoch. In a later one training stops, and the
        best layers so far are kept.
    """
    if options.optimizer == LBFGS:
        return _fit_to_minimum(rows, outputs, options, held_out, progress)
    generator = torch.Generator().manual_seed(options.seed)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(options.seed)
        net = _network(rows.values.shape[1], outputs, options)
        loss_of = nn.CrossEntropyLoss(
            weight=torch.from_numpy(class_weights(rows.labels[rows.places], outputs)),
            label_smoothing=options.label_smoothing,
        )
        optimizer = _optimizer(net, options)
        history: History = []
        best: tuple[float, int, tuple[Dense, ...]] = (float("inf"), 0, ())
        total = epochs or options.epochs
        for epoch in range(1, total + 1):
            row = _pass(net, loss_of, optimizer, rows, options, (epoch, total), generator)
            row |= _validate(net, held_out) if held_out is not None else {}
            score = row.get("validation_loss", -epoch)
            if not np.isfinite([row["loss"], score]).all() or not _finite(net):
                return _stopped(best, history, options)
            history.append(row)
            progress(epoch, total)
            if score < best[0] or held_out is None:
                best = (score, epoch, _layers(net))
            elif epoch - best[1] >= options.patience:
                break
    return Fitted(best[2], best[1], history)


def _pass(
    net: nn.Sequential,
    loss_of: nn.CrossEntropyLoss,
    optimizer: Optimizer,
    rows: Rows,
    options: TrainOptions,
    epoch: tuple[int, int],
    generator: torch.Generator,
) -> dict[str, float]:
    """Learn from every row once; return the row of the history. `epoch` is which of how many."""
    net.train()
    number, total = epoch
    values, labels = torch.from_numpy(rows.values), torch.from_numpy(rows.labels)
    places = torch.from_numpy(rows.places)
    sum_of_losses, right, lr = 0.0, 0, optimizer.lr
    order = places[torch.randperm(len(places), generator=generator)]
    parts = torch.split(order, options.batch)
    for place, part in enumerate(parts):
        if options.decay:
            optimizer.lr = options.rate * (1 - (number - 1 + place / len(parts)) / total)
        # Three times as fast as values[part], and scaled without a second copy.
        inputs = values.index_select(0, part).mul_(rows.scale)
        logits = net(inputs)
        loss = loss_of(logits, labels[part])
        torch.autograd.backward(loss)
        optimizer.step()
        sum_of_losses += loss.item() * len(part)
        right += int((logits.argmax(1) == labels[part]).sum())
    return {
        "epoch": float(number),
        "lr": lr,
        "loss": sum_of_losses / len(places),
        "accuracy": right / len(places),
    }


def _finite(net: nn.Sequential) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in net.parameters())


def _stopped(
    best: tuple[float, int, tuple[Dense, ...]], history: History, options: TrainOptions
) -> Fitted:
    """Return the best so far where the loss is no number any more."""
    if not best[2]:
        raise TrainingError(
            f"learning rate {options.rate:g}",
            "the loss is no number after one pass",
            "Take a smaller one, or leave it out",
        )
    return Fitted(best[2], best[1], history, diverged=True)


def _fit_to_minimum(
    rows: Rows,
    outputs: int,
    options: TrainOptions,
    held_out: Rows | None,
    progress: Callable[[int, int], None],
) -> Fitted:
    """Train a linear layer until nothing improves; what is held out is only asked about."""
    places = rows.places
    chosen = rows.values if rows.chosen is None else rows.values[places]
    asked, wanted = _asked(held_out) if held_out is not None else (None, None)
    history: History = []

    def after(layer: Dense, loss: float, accuracy: float) -> None:
        row = {"epoch": len(history) + 1.0, "loss": loss, "accuracy": accuracy}
        if asked is not None and wanted is not None:
            # By torch: NumPy's threads would spin on the cores that the next step needs.
            weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
            row |= _validation(asked @ weight.T + bias, wanted)
        history.append(row)
        progress(len(history), options.epochs)

    labels = rows.labels[places]
    weights = class_weights(labels, outputs)
    layer = minimal_layer(chosen, labels, rows.scale, weights, options, after)
    return Fitted((layer,), max(1, len(history)), history)


@contextmanager
def one_thread_for_small(rows: int, dim: int) -> Iterator[None]:
    """Keep small trainings on one core: handing out their work costs more than doing it."""
    before = torch.get_num_threads()
    if rows * dim < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _asked(held_out: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the inputs and labels of what is held out."""
    places = held_out.places
    values = torch.from_numpy(held_out.values[places]).mul_(held_out.scale)
    return values, torch.from_numpy(held_out.labels[places])


def _network(inputs: int, outputs: int, options: TrainOptions) -> nn.Sequential:
    parts: list[nn.Module] = []
    for width in options.hidden:
        activation = MODULES[options.activation]()
        parts += [nn.Linear(inputs, width), activation, nn.Dropout(options.dropout)]
        inputs = width
    return nn.Sequential(*parts, nn.Linear(inputs, outputs))


def _optimizer(net: nn.Sequential, options: TrainOptions) -> Optimizer:
    kind = AdamW if options.optimizer == ADAMW else SGD
    return kind(list(net.parameters()), options.rate, options.weight_decay)


def _layers(net: nn.Sequential) -> tuple[Dense, ...]:
    return tuple(
        Dense(part.weight.detach().numpy().copy(), part.bias.detach().numpy().copy())
        for part in net
        if isinstance(part, nn.Linear)
    )


@torch.no_grad()
def _validate(net: nn.Sequential, held_out: Rows) -> dict[str, float]:
    net.eval()
    places = torch.from_numpy(held_out.places)
    values = torch.from_numpy(held_out.values)
    logits = torch.cat([net(values[part] * held_out.scale) for part in torch.split(places, BLOCK)])
    return _validation(logits, torch.from_numpy(held_out.labels)[places])


def _validation(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    return {
        "validation_loss": float(nn.functional.cross_entropy(logits, labels)),
        "validation_accuracy": float((logits.argmax(1) == labels).float().mean()),
    }
