"""Fitting a head's layers to embeddings. Everything here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from threadpoolctl import threadpool_limits
from torch import nn

from engine.heads.fitting.epochs import Batch, History, Training, run_epochs, validation_row
from engine.heads.fitting.lbfgs import minimal_layer
from engine.heads.fitting.rows import Rows, class_weights
from engine.heads.fitting.sgd import SGD, AdamW, Optimizer
from engine.heads.head import Dense
from engine.heads.options import ADAMW, LBFGS, TrainOptions

# The same functions as `numerics.ACTIVATIONS`, with gradients.
MODULES: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
# Rows in one batch of a validation.
VALIDATION_BATCH = 4096
# Values in all rows together below which one thread is fastest.
SMALL = 1 << 25


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit came to.

    Attributes
    ----------
    layers
        Those after the best epoch.
    epochs
        Which one that is.
    history
        One row per epoch, or per iteration of L-BFGS.
    diverged
        The loss was NaN in a later epoch.
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
    validation: Rows | None = None,
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
    validation
        Stop early by the loss on these rows, and keep the best epoch's layers.
    epochs
        Train for exactly so many instead.
    progress
        Is told how many epochs are done, and of how many at most.

    Raises
    ------
    TrainingError
        The loss is NaN in the very first epoch. In a later one training stops, and the best
        layers so far are kept.
    """
    if options.optimizer == LBFGS:
        return _fit_to_minimum(rows, outputs, options, validation, progress)
    total, training = epochs or options.epochs, Training()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(options.seed)
        learner = LayersLearner(rows, outputs, options, validation, total)
        for training in run_epochs(learner, total, patience=options.patience):
            progress(training.epoch, total)
    learner.network.load_state_dict(training.best)
    layers = tuple(_dense(part) for part in learner.network if isinstance(part, nn.Linear))
    return Fitted(layers, training.best_epoch, training.history, training.diverged)


class LayersLearner:
    """Dense layers on rows of embeddings, for `run_epochs`.

    Parameters
    ----------
    rows, outputs, options, validation
        As of `fit_layers`.
    epochs
        By the last of which the learning rate has fallen to nothing, with `options.decay`.
    validation_batch
        Rows validated at a time.
    """

    def __init__(
        self,
        rows: Rows,
        outputs: int,
        options: TrainOptions,
        validation: Rows | None,
        epochs: int,
        validation_batch: int = VALIDATION_BATCH,
    ) -> None:
        self.network = _network(rows.values.shape[1], outputs, options)
        self.peak_lr = options.rate
        self._rows, self._validation = rows, validation
        self._options, self._epochs = options, epochs
        self._validation_batch = validation_batch
        self._generator = torch.Generator().manual_seed(options.seed)
        self._optimizer = _optimizer(self.network, options)
        weights = class_weights(rows.labels[rows.positions], outputs)
        self.loss = nn.CrossEntropyLoss(
            torch.from_numpy(weights), label_smoothing=options.label_smoothing
        )
        self.step = self._optimizer.step

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._optimizer.lr

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield every row once, in an order of its own."""
        rows, options = self._rows, self._options
        values, labels = torch.from_numpy(rows.values), torch.from_numpy(rows.labels)
        positions = torch.from_numpy(rows.positions)
        order = positions[torch.randperm(len(positions), generator=self._generator)]
        parts = torch.split(order, options.batch)
        for number, part in enumerate(parts):
            if options.decay:
                done = (epoch - 1 + number / len(parts)) / self._epochs
                self._optimizer.lr = options.rate * (1 - done)
            # Three times as fast as values[part], and scaled without a second copy.
            yield values.index_select(0, part).mul_(rows.scale), labels[part]

    def validation(self) -> Iterator[Batch]:
        """Yield the rows to validate on."""
        if self._validation is None:
            return
        for part in torch.split(
            torch.from_numpy(self._validation.positions), self._validation_batch
        ):
            values = torch.from_numpy(self._validation.values)[part] * self._validation.scale
            yield values, torch.from_numpy(self._validation.labels)[part]

    def weights(self) -> Mapping[str, torch.Tensor]:
        """Return weights and biases."""
        state: Mapping[str, torch.Tensor] = self.network.state_dict()
        return state


def _fit_to_minimum(
    rows: Rows,
    outputs: int,
    options: TrainOptions,
    validation: Rows | None,
    progress: Callable[[int, int], None],
) -> Fitted:
    """Train a linear layer until nothing improves; validation rows are only asked about."""
    positions = rows.positions
    values = rows.values if rows.chosen is None else rows.values[positions]
    asked = None if validation is None else _asked(validation)
    history: History = []

    def after(layer: Dense, loss: float, accuracy: float) -> None:
        row = {"epoch": len(history) + 1.0, "loss": loss, "accuracy": accuracy}
        if asked is not None:
            # By torch: NumPy's threads would spin on the cores that the next step needs.
            weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
            row |= validation_row(asked[0] @ weight.T + bias, asked[1])
        history.append(row)
        progress(len(history), options.epochs)

    labels = rows.labels[positions]
    counts = None if rows.weights is None else rows.weights[positions]
    weights = class_weights(labels, outputs, counts)
    layer = minimal_layer(values, labels, rows.scale, weights, options, after, counts)
    return Fitted((layer,), max(1, len(history)), history)


def _asked(rows: Rows) -> Batch:
    """Return inputs and labels of rows."""
    values = torch.from_numpy(rows.values[rows.positions]).mul_(rows.scale)
    return values, torch.from_numpy(rows.labels[rows.positions])


@contextmanager
def threads_for(rows: int, dim: int) -> Iterator[None]:
    """Train on one thread where handing out the work costs more than doing it.

    NumPy and SciPy use one in any case: their threads spin for a while when they have nothing to
    do, on the cores that torch needs.
    """
    before = torch.get_num_threads()
    if rows * dim < SMALL:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
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


def _dense(layer: nn.Linear) -> Dense:
    return Dense(layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy())
