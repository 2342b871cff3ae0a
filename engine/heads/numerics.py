"""Softmax and its relatives in numpy, safe for large logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from index.records import Floats

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# No logit or activation of a trained head is larger, whatever its sign; sums and products of such
# with a head's weights (`check.HeadLimits`) are finite in float32.
LARGEST = np.float32(1e6)


def bounded(values: Floats) -> Floats:
    """Return values no larger than `LARGEST`, whatever their sign; NaN becomes the least of all.

    So what a head computes is finite whatever its weights are. A logit of -`LARGEST` is as good as
    impossible: what cannot be computed is no evidence.
    """
    # Other than `clip` these two do not hand NaN on.
    return np.fmin(np.fmax(values, -LARGEST), LARGEST)


def log_sum_exp(logits: Floats) -> Floats:
    """Return the logarithm of the sum of exponentials of each row, float32 `[n]`."""
    top = logits.max(axis=1, keepdims=True)
    total = np.exp(logits - top).sum(axis=1, keepdims=True)
    sums: Floats = (top + np.log(total))[:, 0].astype(np.float32)
    return sums


def log_softmax(logits: Floats) -> Floats:
    """Return the logarithm of each row's softmax, float32 `[n, k]`."""
    # The largest is taken off first: beside huge logits the logarithm would be rounded away.
    below = logits - logits.max(axis=1, keepdims=True)
    result: Floats = (below - log_sum_exp(below)[:, None]).astype(np.float32)
    return result


def softmax(logits: Floats) -> Floats:
    """Return each row's softmax, float32 `[n, k]`."""
    return np.exp(log_softmax(logits))


def share_of(inside: Floats, outside: Floats) -> Floats:
    """Return the share of the first of two logits in their softmax, float32 `[n]`."""
    share: Floats = 1.0 / (1.0 + np.exp(np.clip(outside - inside, -60, 60)))
    return share.astype(np.float32)


def relu(values: Floats) -> Floats:
    """Return the rectified values (Nair & Hinton 2010)."""
    return np.maximum(values, np.float32(0))


def silu(values: Floats) -> Floats:
    """Return each value times its sigmoid (Elfwing et al. 2018)."""
    # The sigmoid by way of tanh overflows for no value.
    return np.asarray(values * (0.5 * (1 + np.tanh(values / 2))), np.float32)


def gelu(values: Floats) -> Floats:
    """Return Gaussian error linear units in their form with tanh (Hendrycks & Gimpel 2016)."""
    inner = np.float32(np.sqrt(2 / np.pi)) * (values + np.float32(0.044715) * values**3)
    return np.asarray(0.5 * values * (1 + np.tanh(inner)), np.float32)


def tanh(values: Floats) -> Floats:
    """Return the hyperbolic tangents."""
    return np.tanh(values)


# What stands between a head's layers, by the name it has in options and files.
ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "relu": relu,
    "gelu": gelu,
    "silu": silu,
    "tanh": tanh,
}
RELU = "relu"


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let whoever multiplies matrices in a `with` block do so by itself.

    Where the other cores are busy, to share a product out would wait for them.
    """
    with _thread_pools().limit(limits=1, user_api="blas"):
        yield


@cache
def _thread_pools() -> ThreadpoolController:
    """Return those of the libraries that are loaded; to look for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
