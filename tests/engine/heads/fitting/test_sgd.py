"""The written-out optimizers, against torch's own."""

from __future__ import annotations

import pytest
import torch

from engine.heads.fitting.sgd import SGD, AdamW


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_every_step_is_the_step_that_torch_takes(weight_decay: float) -> None:
    ours = [noise(4, 3, seed=1), noise(2, 5, seed=2)]
    theirs = [torch.nn.Parameter(part.clone()) for part in ours]
    own = AdamW(ours, lr=0.05, weight_decay=weight_decay)
    reference = torch.optim.AdamW(theirs, lr=0.05, weight_decay=weight_decay)
    for step in range(30):
        own.lr = reference.param_groups[0]["lr"] = 0.05 / (1 + step)
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            one.grad = noise(*one.shape, seed=100 * step + number)
            other.grad = one.grad.clone()
        own.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other.detach(), rtol=1e-5, atol=1e-6)


BOTH = pytest.mark.parametrize("kind", [AdamW, SGD])


@BOTH
def test_weights_decay_and_biases_do_not(kind: type[AdamW | SGD]) -> None:
    weight, bias = torch.ones(2, 2), torch.ones(2)
    weight.grad, bias.grad = torch.zeros(2, 2), torch.zeros(2)
    kind([weight, bias], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(weight, torch.full((2, 2), 0.95))
    assert torch.equal(bias, torch.ones(2))


@BOTH
def test_a_step_clears_the_gradients(kind: type[AdamW | SGD]) -> None:
    weight = torch.ones(2, 2)
    weight.grad = torch.ones(2, 2)
    kind([weight], lr=0.1).step()
    assert weight.grad is None


@BOTH
def test_a_parameter_without_a_gradient_stays(kind: type[AdamW | SGD]) -> None:
    weight = torch.ones(2, 2)
    kind([weight], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(weight, torch.ones(2, 2))


def test_every_step_of_gradient_descent_is_the_step_that_torch_takes() -> None:
    ours = [noise(4, 3, seed=1), noise(2, 5, seed=2)]
    theirs = [torch.nn.Parameter(part.clone()) for part in ours]
    own = SGD(ours, lr=0.05)
    reference = torch.optim.SGD(theirs, lr=0.05, momentum=0.9, nesterov=True)
    for step in range(30):
        own.lr = reference.param_groups[0]["lr"] = 0.05 / (1 + step)
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            one.grad = noise(*one.shape, seed=100 * step + number)
            other.grad = one.grad.clone()
        own.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other.detach(), rtol=1e-5, atol=1e-6)
