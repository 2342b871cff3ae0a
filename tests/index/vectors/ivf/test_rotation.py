"""The rotation keeps lengths and angles, spreads everything, and never changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.records import Floats
from index.vectors.ivf.rotation import Rotation

# Files hold rotated vectors, so these numbers must stay what they are in every release: what
# becomes of the first two unit vectors of a dim, from the beginning and up to the end.
PINNED = {
    6: ([0.408248, 0.408248, 0.5, 0.5], [-0.5, 0.5, -0.288675, 0.288675]),
    7: ([0.377964, 0.521121, 0.481588, 0.417906], [0.231921, 0.481588, 0.521121, 0.333269]),
    1280: ([0.027951, 0.039481, 0.039338, 0.039101], [0.001219, 0.000938, 0.000637, 0.000322]),
}


def _basis(dim: int) -> Floats:
    return np.eye(dim, dtype=np.float32)


def _rotated_basis(dim: int) -> Floats:
    return Rotation(dim)(_basis(dim))


@settings(max_examples=60, deadline=None)
@given(dim=st.integers(1, 300))
def test_the_map_is_orthogonal_in_every_dim(dim: int) -> None:
    rotated = _rotated_basis(dim)
    np.testing.assert_allclose(rotated @ rotated.T, _basis(dim), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 2, 97, 283, 512, 1279, 1280, 2048])
def test_the_map_is_orthogonal_in_dims_of_backbones_and_prime_ones(dim: int) -> None:
    rotated = _rotated_basis(dim)
    np.testing.assert_allclose(rotated @ rotated.T, _basis(dim), rtol=0, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(dim=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_products_of_vectors_stay_what_they_were(dim: int, seed: int) -> None:
    one, other = np.random.default_rng(seed).normal(size=(2, 5, dim)).astype(np.float32)
    rotate = Rotation(dim)
    np.testing.assert_allclose(rotate(one) @ rotate(other).T, one @ other.T, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dim", sorted(PINNED))
def test_the_map_is_the_same_in_every_release(dim: int) -> None:
    first, second = _rotated_basis(dim)[:2]
    begins, ends = PINNED[dim]
    np.testing.assert_allclose(first[:4], begins, rtol=0, atol=2e-6)
    np.testing.assert_allclose(second[-4:], ends, rtol=0, atol=2e-6)


def test_some_components_change_their_sign_and_some_do_not() -> None:
    # The first component of the result is the sum of all, each with its sign.
    signs = np.sign(_rotated_basis(1280)[:, 0])
    assert 500 < np.count_nonzero(signs > 0) < 780


@pytest.mark.parametrize("dim", [97, 512, 1280, 2048])
def test_what_one_component_says_is_spread_over_all(dim: int) -> None:
    largest = np.abs(_rotated_basis(dim)).max()
    assert largest <= 2.001 / dim**0.5


def test_one_vector_is_rotated_as_it_is_among_others() -> None:
    rotate = Rotation(60)
    vectors = np.random.default_rng(0).normal(size=(40, 60)).astype(np.float32)
    alone = np.concatenate([rotate(vector[None]) for vector in vectors])
    np.testing.assert_allclose(alone, rotate(vectors), rtol=0, atol=1e-5)


def test_no_vectors_at_all_are_rotated_into_none() -> None:
    assert Rotation(12)(np.zeros((0, 12), np.float32)).shape == (0, 12)
