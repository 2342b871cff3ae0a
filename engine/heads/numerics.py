"""Softmax and its relatives in numpy, safe for large logits."""

from __future__ import annotations

import numpy as np

from index.records import Floats


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
