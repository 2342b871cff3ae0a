"""Rounding to bfloat16: to a neighbour, exact, and without pulling a filter's sum away."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from engine.runtimes.bf16_rounding import sum_preserving_bf16
from index.records import Floats

SHAPES = npst.array_shapes(min_dims=2, max_dims=4, max_side=6)
FINITE = st.floats(-(2.0**100), 2.0**100, width=32)
WEIGHTS = npst.arrays(np.float32, SHAPES, elements=st.one_of(FINITE, st.floats(-4, 4, width=32)))


def nearest(weights: Floats) -> Floats:
    """Round to the nearest bfloat16, as torch does it."""
    rounded: Floats = torch.from_numpy(weights.copy()).to(torch.bfloat16).float().numpy()
    return rounded


def sum_errors(rounded: Floats, weights: Floats) -> Floats:
    """Return how far each filter's sum is off, float64 `[filters]`."""
    error = rounded.astype(np.float64) - weights.astype(np.float64)
    found: Floats = np.abs(error.reshape(len(error), -1).sum(axis=1))
    return found


@given(WEIGHTS)
def test_every_result_is_exact_in_bf16(weights: Floats) -> None:
    rounded = sum_preserving_bf16(weights)
    assert rounded.shape == weights.shape
    assert rounded.dtype == np.float32
    assert np.array_equal(nearest(rounded), rounded)


@given(WEIGHTS)
def test_every_result_is_one_of_the_two_neighbours(weights: Floats) -> None:
    rounded = sum_preserving_bf16(weights)
    lower = (weights.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    upper = (lower.view(np.uint32) + np.uint32(0x10000)).view(np.float32)
    allowed = (rounded == lower) | ((rounded == upper) & (lower != weights))
    assert allowed.all()


@given(WEIGHTS)
def test_a_sum_is_never_further_off_than_after_rounding_to_nearest(weights: Floats) -> None:
    found = sum_errors(sum_preserving_bf16(weights), weights)
    before = sum_errors(nearest(weights), weights)
    slack = 1e-12 * np.abs(weights.astype(np.float64)).reshape(len(weights), -1).sum(axis=1)
    assert (found <= before + slack).all()


@given(WEIGHTS)
def test_rounding_twice_changes_nothing(weights: Floats) -> None:
    once = sum_preserving_bf16(weights)
    assert np.array_equal(sum_preserving_bf16(once), once)


@given(WEIGHTS)
def test_the_weights_that_were_given_stay_as_they_were(weights: Floats) -> None:
    before = weights.copy()
    sum_preserving_bf16(weights)
    assert np.array_equal(weights, before)


def test_filters_of_a_convolution_keep_their_sums() -> None:
    weights = np.random.default_rng(0).normal(0, 0.05, (256, 64, 3, 3)).astype(np.float32)
    found, before = sum_preserving_bf16(weights), nearest(weights)
    assert sum_errors(found, weights).max() < 1e-2 * sum_errors(before, weights).mean()
    # Few weights moved, and none by more than to its other neighbour.
    assert (found != before).mean() < 0.05


def test_a_filter_of_nine_weights_comes_closer_to_its_sum() -> None:
    weights = np.random.default_rng(1).normal(0, 6, (32, 1, 3, 3)).astype(np.float32)
    found, before = sum_preserving_bf16(weights), nearest(weights)
    assert sum_errors(found, weights).mean() < 0.2 * sum_errors(before, weights).mean()


def test_one_filter_does_not_depend_on_the_others() -> None:
    weights = np.random.default_rng(2).normal(size=(8, 5, 3, 3)).astype(np.float32)
    whole = sum_preserving_bf16(weights)
    assert np.array_equal(whole[3:4], sum_preserving_bf16(weights[3:4]))


def test_values_that_are_not_finite_stay() -> None:
    weights = np.array([[np.inf, 1.0], [np.nan, -np.inf]], np.float32)
    assert np.array_equal(sum_preserving_bf16(weights), weights, equal_nan=True)


def test_a_layer_without_filters_is_none() -> None:
    assert sum_preserving_bf16(np.empty((0, 3), np.float32)).shape == (0, 3)
