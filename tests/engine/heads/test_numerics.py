"""Softmax and its relatives, against SciPy's."""

from __future__ import annotations

import numpy as np
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from engine.heads.fitting.fit import MODULES
from engine.heads.numerics import ACTIVATIONS, log_softmax, log_sum_exp, softmax
from index.records import Floats

LOGITS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8),
    elements=st.floats(-300, 300, width=32),
)


@given(LOGITS)
def test_log_sum_exp_equals_scipys(logits: Floats) -> None:
    wanted = scipy.special.logsumexp(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(log_sum_exp(logits), wanted, rtol=1e-5, atol=1e-5)


@given(LOGITS)
def test_log_softmax_equals_scipys(logits: Floats) -> None:
    wanted = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(log_softmax(logits), wanted, rtol=1e-5, atol=1e-4)


@given(LOGITS)
def test_softmax_equals_scipys(logits: Floats) -> None:
    wanted = scipy.special.softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(softmax(logits), wanted, atol=1e-4)


def test_huge_logits_do_not_overflow() -> None:
    logits = np.array([[1e30, -1e30], [3e38, 3e38]], np.float32)
    assert np.array_equal(softmax(logits), np.array([[1, 0], [0.5, 0.5]], np.float32))


@given(LOGITS)
def test_every_activation_is_the_function_that_training_uses(values: Floats) -> None:
    for name, activation in ACTIVATIONS.items():
        wanted = MODULES[name]()(torch.from_numpy(values)).numpy()
        np.testing.assert_allclose(activation(values), wanted, rtol=1e-4, atol=1e-5)


def test_training_knows_the_activations_that_answers_know() -> None:
    assert set(MODULES) == set(ACTIVATIONS)
