"""The loops that train a head. Everything here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import nn

from engine.heads.head import Dense
from engine.heads.optimize import SGD, AdamW, Optimizer
from engine.heads.options import ADAMW, TrainOptions
from index.records import Floats, Ids

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
GATE_ITERATIONS = 80
# Values in all rows together below which one thread is fastest.
SMALL = 1 << 25
# The mean length that embeddings are scaled to for the gate's training, whatever the backbone.
GATE_LENGTH = 15.0
# Weight of the squared weights against the cross-entropies.
GATE_DECAY = 0.01


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to train on, without a copy of them.

    Attributes
    ----------
    values
        float32 `[n, dim]`.
    labels
        int64 `[n]`.
    chosen
        int64 `[m]`, which of them to take; None for all.
    scale
        Multiplies the values.
    """

    values: Floats
    labels: Ids
    chosen: Ids | None = None
    scale: float = 1.0

    @property
    def places(self) -> Ids:
        """Which rows are taken, int64 `[m]`."""
        return np.arange(len(self.labels)) if self.chosen is None else self.chosen


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit came to. `epochs` is after how many the best layers stood."""

    layers: tuple[Dense, ...]
    epochs: int
    history: History


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
    """
    places = torch.from_numpy(rows.places)
    generator = torch.Generator().manual_seed(options.seed)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(options.seed)
        net = _network(rows.values.shape[1], outputs, options)
        loss_of = nn.CrossEntropyLoss(
            weight=_class_weights(rows.labels[rows.places], outputs),
            label_smoothing=options.label_smoothing,
        )
        values, labels = torch.from_numpy(rows.values), torch.from_numpy(rows.labels)
        optimizer = _optimizer(net, options)
        history: History = []
        best = (float("inf"), 0, _layers(net))
        total = epochs or options.epochs
        for epoch in range(1, total + 1):
            net.train()
            sum_of_losses, right, lr = 0.0, 0, optimizer.lr
            order = places[torch.randperm(len(places), generator=generator)]
            parts = torch.split(order, options.batch)
            for number, part in enumerate(parts):
                if options.decay:
                    optimizer.lr = options.rate * (1 - (epoch - 1 + number / len(parts)) / total)
                # Three times as fast as values[part], and scaled without a second copy.
                inputs = values.index_select(0, part).mul_(rows.scale)
                logits = net(inputs)
                loss = loss_of(logits, labels[part])
                torch.autograd.backward(loss)
                optimizer.step()
                sum_of_losses += loss.item() * len(part)
                right += int((logits.argmax(1) == labels[part]).sum())
            row = {
                "epoch": float(epoch),
                "lr": lr,
                "loss": sum_of_losses / len(places),
                "accuracy": right / len(places),
            }
            row |= _validate(net, held_out) if held_out is not None else {}
            history.append(row)
            progress(epoch, total)
            score = row.get("validation_loss", -epoch)
            if score < best[0] or held_out is None:
                best = (score, epoch, _layers(net))
            elif epoch - best[1] >= options.patience:
                break
    return Fitted(best[2], best[1], history)


def fit_gate(
    positives: Rows,
    outputs: int,
    background: Floats,
    frozen: tuple[Floats, Floats],
    start: Dense | None = None,
) -> Dense:
    """Train rows that stand beside frozen ones in a single softmax.

    The loss is convex and small, so it is minimised to the end by L-BFGS; Adam, stopped after as
    long, had not arrived and took ten times as many pictures from the built-in categories. The
    frozen rows enter only as the logarithm of their summed exponentials, worked out once, so a
    step costs no more than the new rows.

    Parameters
    ----------
    positives
        Embeddings with their lengths, of the new categories.
    outputs
        How many new categories there are.
    background
        Embeddings with their lengths, of everything else, float32 `[m, dim]`.
    frozen
        Log-sum-exp of the frozen logits of `positives` `[n]` and `background` `[m]`.
    start
        A gate trained on nearly the same, to start from.
    """
    mean_length = float(np.linalg.norm(positives.values, axis=1).mean())
    scale = np.float32(GATE_LENGTH / max(mean_length, 1e-6))
    inside, outside = (torch.from_numpy(part * scale) for part in (positives.values, background))
    labels = torch.from_numpy(positives.labels)
    rest_inside, rest_outside = (torch.from_numpy(part) for part in frozen)
    weights = _class_weights(positives.labels, outputs)[labels]

    def loss_of(point: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        flat = torch.from_numpy(point.astype(np.float32)).requires_grad_()
        weight, bias = flat[outputs:].reshape(outputs, -1), flat[:outputs]
        new = inside @ weight.T + bias
        right = new.gather(1, labels[:, None])[:, 0]
        everything = torch.logaddexp(new.logsumexp(1), rest_inside)
        wrongly_taken = (outside @ weight.T + bias).logsumexp(1) - rest_outside
        loss = (weights * (everything - right)).mean()
        loss = loss + nn.functional.softplus(wrongly_taken).mean()
        loss = loss + GATE_DECAY * weight.square().sum()
        torch.autograd.backward(loss)
        assert flat.grad is not None
        return float(loss.detach()), flat.grad.numpy().astype(np.float64)

    first = np.zeros(outputs * (inside.shape[1] + 1))
    if start is not None:
        first = np.concatenate([start.bias, (start.weight / scale).ravel()]).astype(np.float64)
    found = minimize(
        loss_of, first, jac=True, method="L-BFGS-B", options={"maxiter": GATE_ITERATIONS}
    )
    point = found.x.astype(np.float32)
    return Dense(point[outputs:].reshape(outputs, -1) * scale, point[:outputs])


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


def _class_weights(labels: Ids, outputs: int) -> torch.Tensor:
    counts = np.bincount(labels, minlength=outputs)
    weights = len(labels) / (outputs * np.maximum(counts, 1))
    return torch.from_numpy(weights.astype(np.float32))


@torch.no_grad()
def _validate(net: nn.Sequential, held_out: Rows) -> dict[str, float]:
    net.eval()
    places = torch.from_numpy(held_out.places)
    values = torch.from_numpy(held_out.values)
    logits = torch.cat([net(values[part] * held_out.scale) for part in torch.split(places, BLOCK)])
    labels = torch.from_numpy(held_out.labels)[places]
    return {
        "validation_loss": float(nn.functional.cross_entropy(logits, labels)),
        "validation_accuracy": float((logits.argmax(1) == labels).float().mean()),
    }
