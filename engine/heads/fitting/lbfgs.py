"""What is trained to the very minimum: linear heads, and gates.

With all images in every step and an L2 penalty the loss of a linear head is convex, and L-BFGS
finds its minimum in some dozens of iterations: no learning rate, no batches, no early stopping,
and less time than a few epochs of gradient descent. It is how linear probes of frozen networks are
trained elsewhere, too (Radford et al. 2021, "Learning transferable visual models from natural
language supervision", appendix A.3). Everything here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import nn

from engine.heads.fitting.rows import Barred, Rows, class_weights
from engine.heads.head import Dense
from engine.heads.options import TrainOptions
from index.records import Floats, Ids

# The mean length that embeddings are scaled to for the gate's training, whatever the backbone.
GATE_LENGTH = 15.0
# Weight of the squared weights against the cross-entropies.
GATE_DECAY = 0.01


@dataclass(frozen=True, slots=True)
class Search:
    """When L-BFGS stops, and what it remembers.

    Attributes
    ----------
    iterations
        At most so many.
    tolerance
        Stop when an iteration reduces the loss by less than this share of it.
    updates
        So many approximate the Hessian.
    """

    iterations: int
    tolerance: float
    updates: int


# Layers remember twice as much as scipy would, with which they take a quarter more iterations.
LAYER_TOLERANCE, LAYER_UPDATES = 2e-9, 20
GATE_SEARCH = Search(iterations=80, tolerance=1e-7, updates=10)
# From weight `[outputs, dim]` and bias `[outputs]` to a scalar.
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def minimal_layer(
    values: Floats,
    labels: Ids,
    scale: float,
    weights: Floats,
    options: TrainOptions,
    after: Callable[[Dense, float, float], None] = lambda layer, loss, accuracy: None,
    counts: Floats | None = None,
) -> Dense:
    """Return the layer of least cross-entropy, weights penalised by half their squared length.

    Parameters
    ----------
    values
        float32 `[n, dim]`.
    labels
        int64 `[n]`.
    scale
        Multiplies the values.
    weights
        float32 `[outputs]`, of each category in the loss.
    options
        `weight_decay` over `n` is the weight of the penalty, `epochs` the most iterations.
    after
        Is told after each iteration: the layer, the loss without penalty, and the accuracy.
    counts
        What each row counts, float32 `[n]`, their sum in the place of `n`; None for 1 each.
    """
    inputs, targets = torch.from_numpy(values), torch.from_numpy(labels)
    entropy_of = nn.CrossEntropyLoss(
        weight=torch.from_numpy(weights),
        label_smoothing=options.label_smoothing,
        reduction="mean" if counts is None else "none",
    )
    penalty = options.weight_decay / (2 * (len(labels) if counts is None else float(counts.sum())))
    shares: torch.Tensor | None = None
    if counts is not None:
        shares = torch.from_numpy(counts / (counts * weights[labels]).sum())
    latest: list[float] = [0.0, 0.0]

    def loss_of(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        logits = inputs @ (weight * scale).T + bias
        entropy: torch.Tensor = entropy_of(logits, targets)
        if shares is not None:
            entropy = entropy @ shares
        latest[:] = [entropy.item(), float((logits.argmax(1) == targets).float().mean())]
        return entropy + penalty * weight.square().sum()

    zero = np.zeros((len(weights), values.shape[1]), np.float32)
    return _minimum(
        loss_of,
        Dense(zero, zero[:, 0]),
        values.mean(axis=0) * np.float32(scale),
        Search(options.epochs, LAYER_TOLERANCE, LAYER_UPDATES),
        # The point that an iteration ends with is the one that was asked about last.
        lambda layer: after(layer, *latest),
    )


def fit_gate(
    positives: Rows,
    outputs: int,
    background: Floats,
    frozen: tuple[Floats, Floats],
    start: Dense | None = None,
    barred: Barred | None = None,
    after: Callable[[], None] = lambda: None,
) -> Dense:
    """Train rows that stand beside frozen ones in a single softmax.

    The loss is convex and small, so it is minimised to the end by L-BFGS; Adam, stopped after as
    long, had not arrived and took ten times as many images from the built-in categories. The
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
    barred
        Images that people said do not show some of the categories; they count as much as all of
        the background together, since they are what is easily taken for one.
    after
        Is called after each iteration.
    """
    mean_length = float(np.linalg.norm(positives.values, axis=1).mean())
    # The weights are scaled rather than the embeddings: there are far fewer of them.
    scale = np.float32(GATE_LENGTH / max(mean_length, 1e-6))
    by = float(scale)
    inside, outside = torch.from_numpy(positives.values), torch.from_numpy(background)
    labels = torch.from_numpy(positives.labels)
    rest_inside, rest_outside = (torch.from_numpy(part) for part in frozen)
    weights = torch.from_numpy(class_weights(positives.labels, outputs))[labels]

    def loss_of(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        weighed = (weight * by).T
        new = inside @ weighed + bias
        right = new.gather(1, labels[:, None])[:, 0]
        everything = torch.logaddexp(new.logsumexp(1), rest_inside)
        wrongly_taken = (outside @ weighed + bias).logsumexp(1) - rest_outside
        loss = (weights * (everything - right)).mean()
        loss = loss + nn.functional.softplus(wrongly_taken).mean()
        if barred is not None:
            loss = loss + _barred_loss(barred, weighed, bias)
        return loss + GATE_DECAY * weight.square().sum()

    first = np.zeros((outputs, inside.shape[1]), np.float32)
    begun = Dense(first, first[:, 0]) if start is None else Dense(start.weight / scale, start.bias)
    mean: Floats = ((inside.mean(0) + outside.mean(0)) * (by / 2)).numpy()
    gate = _minimum(loss_of, begun, mean, GATE_SEARCH, lambda layer: after())
    return Dense(gate.weight * scale, gate.bias)


def _barred_loss(barred: Barred, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    logits = torch.from_numpy(barred.values) @ weight + bias
    others = torch.from_numpy(~barred.categories)
    taken = logits.masked_fill(others, -torch.inf).logsumexp(1)
    return nn.functional.softplus(taken - torch.from_numpy(barred.frozen)).mean()


def _minimum(
    loss_of: Loss,
    start: Dense,
    mean: Floats,
    how: Search,
    after: Callable[[Dense], None] = lambda layer: None,
) -> Dense:
    """Return the layer of least loss.

    What is searched for is the weights and, instead of the bias, the logits of the mean input. The
    minimum is the same. But embeddings are far from zero, so that a change of a weight changes all
    logits alike: with the bias itself the search takes three times as many iterations.

    Parameters
    ----------
    start
        Where the search begins.
    mean
        Of the inputs, float32 `[dim]`.
    after
        Is told the layer after each iteration.
    """
    outputs, dim = start.weight.shape
    middle = torch.from_numpy(mean)

    def layer_at(point: npt.NDArray[np.float64]) -> Dense:
        flat = point.astype(np.float32)
        weight = flat[outputs:].reshape(outputs, dim)
        return Dense(weight, flat[:outputs] - weight @ mean)

    def value_and_gradient(
        point: npt.NDArray[np.float64],
    ) -> tuple[float, npt.NDArray[np.float64]]:
        flat = torch.from_numpy(point.astype(np.float32)).requires_grad_()
        weight = flat[outputs:].reshape(outputs, dim)
        loss = loss_of(weight, flat[:outputs] - weight @ middle)
        torch.autograd.backward(loss)
        assert flat.grad is not None
        return loss.item(), flat.grad.numpy().astype(np.float64)

    found = minimize(
        value_and_gradient,
        np.concatenate([start.bias + start.weight @ mean, start.weight.ravel()]).astype(np.float64),
        jac=True,
        method="L-BFGS-B",
        callback=lambda point: after(layer_at(point)),
        options={"maxiter": how.iterations, "ftol": how.tolerance, "maxcor": how.updates},
    )
    return layer_at(found.x)
