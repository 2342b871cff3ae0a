"""Which images are copies of each other, against a comparison of all pairs."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.learning.data.copies import CopyOptions, copy_groups
from index.records import Floats, Ids

SMALL = CopyOptions(block=7, first=2, last=5, reference=9)


def unit(values: np.ndarray) -> Floats:
    """Return rows of length 1."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / lengths, np.float32)


def different(count: int) -> list[str]:
    """Return hashes of different contents."""
    return [f"{number:064x}" for number in range(count)]


def grouped(values: Floats, options: CopyOptions | None = None) -> list[int]:
    """Return the groups of images of different contents."""
    count = len(values)
    return copy_groups(different(count), values, np.arange(count), options).tolist()


def backgrounds(values: Floats, options: CopyOptions) -> list[float]:
    """Return how similar each image is to neighbours that are too far down to be copies."""
    most = (options.always - options.score) / (1 - options.score)
    if len(values) <= options.last:
        return [min(most, options.background)] * len(values)
    reference = range(0, len(values), math.ceil(len(values) / options.reference))
    found = []
    for image in range(len(values)):
        scores = sorted(float(values[image] @ values[at]) for at in reference if at != image)
        scores = scores[::-1][: min(options.last, len(reference) - 1)]
        found.append(min(most, float(np.mean(scores[options.first :]))))
    return found


def plain(values: Floats, options: CopyOptions) -> tuple[list[int], bool]:
    """Return the groups by comparing all pairs; also whether no score is near the bound."""
    background = np.array(backgrounds(values, options))
    mean = (background[:, None] + background) / 2
    scores = (values.astype(np.float64) @ values.T.astype(np.float64) - mean) / (1 - mean)
    clear = bool((np.abs(scores - options.score) > 1e-5).all())
    copies = (scores >= options.score) | np.eye(len(values), dtype=bool)
    group = np.arange(len(values))
    while True:
        joined = np.array([group[row].min() for row in copies])
        if np.array_equal(joined, group):
            return joined.tolist(), clear
        group = joined


@given(
    count=st.integers(1, 60),
    kinds=st.integers(1, 12),
    spread=st.sampled_from([0.02, 0.1, 0.3, 0.6]),
    seed=st.integers(0, 1000),
    options=st.sampled_from([SMALL, CopyOptions()]),
)
def test_groups_are_those_of_a_comparison_of_all_pairs(
    count: int, kinds: int, spread: float, seed: int, options: CopyOptions
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(kinds, 12))[rng.integers(0, kinds, count)]
    values = unit(values + spread * rng.normal(size=values.shape))
    wanted, clear = plain(values, options)
    assume(clear)
    assert grouped(values, options) == wanted


def test_the_same_content_is_a_copy_whatever_its_embedding() -> None:
    one, other = different(2)
    groups = copy_groups([one, other, one, other], np.eye(4, dtype=np.float32), np.arange(4))
    assert groups.tolist() == [0, 1, 0, 1]


def test_a_copy_of_a_copy_is_in_the_same_group() -> None:
    angles = np.radians([0, 90, 30, 60 - 1e-3])
    values = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    # 30 degrees are a cosine of 0.866, 60 degrees one of 0.5.
    assert grouped(values) == [0, 0, 0, 0]
    assert grouped(values[[0, 3]]) == [0, 1]


@pytest.mark.parametrize(("cosine", "groups"), [(0.83, [0, 0]), (0.81, [0, 1])])
def test_few_images_are_copies_from_a_similarity_of_0_82_on(
    cosine: float, groups: list[int]
) -> None:
    assert grouped(np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]], np.float32)) == groups


def crowd(similarity: float, seed: int) -> Floats:
    """Return sixty images that are about so similar to each other, and a copy of the first."""
    rng = np.random.default_rng(seed)
    own = unit(rng.normal(size=(60, 400)))
    values = np.sqrt(1 - similarity) * own
    values = np.column_stack([values, np.full(60, np.sqrt(similarity), np.float32)])
    copy = values[0].copy()
    copy[:-1] = 0.9 * copy[:-1] + np.sqrt((1 - 0.81) * (1 - similarity)) * own[1]
    return unit(np.vstack([values, copy]))


@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8])
def test_what_is_similar_to_everything_is_no_copy_for_that(similarity: float) -> None:
    values = crowd(similarity, 0)
    scores = values[:-1] @ values[-1]
    assert scores[0] > scores[2:].max() + 0.1 * (1 - similarity)
    assert grouped(values) == [*range(60), 0]


def test_images_as_similar_as_0_95_are_copies_whatever_else_is_there() -> None:
    values = crowd(0.96, 0)
    assert grouped(values) == [0] * 61


def test_of_very_many_images_copies_are_found_through_what_they_are_nearest_to() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=(300, 64)), 3, axis=0)
    values = unit(values + 0.2 * rng.normal(size=values.shape))
    options = CopyOptions(exhaustive=100, reference=50)
    assert grouped(values, options) == [at - at % 3 for at in range(900)]


def test_only_images_as_they_are_are_compared() -> None:
    values = np.eye(4, dtype=np.float32)[[0, 1, 2, 2]]
    assert copy_groups(different(2), values, np.array([0, 1])).tolist() == [0, 1]
    assert copy_groups(different(2), values, np.array([2, 3])).tolist() == [0, 0]


def test_embeddings_of_zero_are_no_copies() -> None:
    assert grouped(np.zeros((3, 4), np.float32)) == [0, 1, 2]


def test_no_images_have_no_groups() -> None:
    rows: Ids = np.empty(0, np.int64)
    assert copy_groups([], np.zeros((0, 4), np.float32), rows).tolist() == []


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 4, 6000], ids=["none", "four of each", "all of one"])
def test_memory_does_not_grow_with_the_pairs(copies: int) -> None:
    rng = np.random.default_rng(0)
    values = unit(np.repeat(rng.normal(size=(6000 // copies, 128)), copies, axis=0))
    tracemalloc.start()
    groups = grouped(values, CopyOptions(block=256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert groups == [at - at % copies for at in range(6000)]
    # All scores at once are 144 MB.
    assert peak < 24 << 20
