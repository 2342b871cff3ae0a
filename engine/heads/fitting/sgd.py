"""AdamW and gradient descent, written out.

torch's own optimizers import its compiler when the first one is made, which takes longer than
all of a head's training. The updates themselves are a few lines. Everything here imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch


class Optimizer(Protocol):
    """What moves parameters against their gradients."""

    lr: float

    def step(self) -> None:
        """Move every parameter against its gradient, and clear the gradients."""


class AdamW:
    """Adam with decoupled weight decay.

    Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2.

    Parameters
    ----------
    parameters
        Tensors to move; those of two dimensions are decayed, biases are not.
    lr
        Learning rate; it may be changed between steps.
    weight_decay
        Share of `lr` by which weights shrink in each step.
    """

    def __init__(
        self, parameters: Sequence[torch.Tensor], lr: float, weight_decay: float = 0.0
    ) -> None:
        self._parameters = parameters
        self.lr = lr
        self._decay = weight_decay
        self._first = [torch.zeros_like(p) for p in parameters]
        self._second = [torch.zeros_like(p) for p in parameters]
        self._steps = 0

    @torch.no_grad()
    def step(self, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        """Move every parameter against its gradient, and clear the gradients."""
        self._steps += 1
        scale1 = 1 - beta1**self._steps
        scale2 = 1 - beta2**self._steps
        for parameter, first, second in zip(
            self._parameters, self._first, self._second, strict=True
        ):
            gradient = parameter.grad
            if gradient is None:
                continue
            if parameter.ndim > 1:
                parameter.mul_(1 - self.lr * self._decay)
            first.lerp_(gradient, 1 - beta1)
            second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            spread = (second / scale2).sqrt_().add_(eps)
            parameter.addcdiv_(first, spread, value=-self.lr / scale1)
            parameter.grad = None


class SGD:
    """Gradient descent with Nesterov's momentum and decoupled weight decay.

    Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", in
    the form that torch has; Loshchilov & Hutter 2019 for the decay.

    Parameters
    ----------
    parameters, lr, weight_decay
        As of `AdamW`.
    momentum
        Share of each step's direction that goes on into the next.
    """

    def __init__(
        self,
        parameters: Sequence[torch.Tensor],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
    ) -> None:
        self._parameters = parameters
        self.lr = lr
        self._decay = weight_decay
        self._momentum = momentum
        self._velocity = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter against its gradient, and clear the gradients."""
        for parameter, velocity in zip(self._parameters, self._velocity, strict=True):
            gradient = parameter.grad
            if gradient is None:
                continue
            if parameter.ndim > 1:
                parameter.mul_(1 - self.lr * self._decay)
            velocity.mul_(self._momentum).add_(gradient)
            parameter.add_(gradient.add(velocity, alpha=self._momentum), alpha=-self.lr)
            parameter.grad = None
