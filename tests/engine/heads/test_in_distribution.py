"""What tells embeddings that the built-in categories can speak of from others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.heads.classifier import BuiltIn, Classifier, belonging
from engine.heads.head import Head
from engine.heads.in_distribution import (
    CategoryLengths,
    InDistribution,
    cosine_to_category,
    directions,
)
from index.records import Floats, Vectors

MakeVectors = Callable[[int, int], Vectors]
SEEDS = st.integers(0, 10_000)
# Whatever the score, and none.
ANY, NONE = InDistribution(-9.0, likely=0.0), InDistribution(9.0, likely=0.0)


def scores(built_in: BuiltIn, vectors: Vectors, evenness: float) -> Floats:
    """Return in-distribution scores as their definition has it, with each embedding at hand."""
    weight = built_in.layer.weight
    centred = weight - weight.mean(axis=0)
    toward = centred[built_in.logits(vectors).argmax(axis=1)]
    cosine = (vectors.unit * toward).sum(axis=1) / np.linalg.norm(toward, axis=1)
    even = vectors.unit.sum(axis=1) / np.sqrt(vectors.unit.shape[1])
    total: Floats = cosine + np.float32(evenness) * even
    return total


def cosines(built_in: BuiltIn, vectors: Vectors) -> Floats:
    logits, weight = built_in.logits(vectors), built_in.layer.weight
    mean = directions(weight)[0]
    choice, best = logits.argmax(axis=1), logits.max(axis=1)
    mean_logit = vectors.unit @ mean
    length = CategoryLengths(weight, mean).of(choice)
    return cosine_to_category(length, built_in.layer.bias[choice], best, mean_logit, vectors.norm)


def test_lengths_are_those_of_the_rows_less_their_mean() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    mean = weight.mean(axis=0)
    lengths, wanted = CategoryLengths(weight, mean), np.linalg.norm(weight - mean, axis=1)
    for choice in ([3, 1, 3], [], [1, 0], [4, 3, 2, 1, 0]):
        picked = np.array(choice, np.int64)
        np.testing.assert_allclose(lengths.of(picked), wanted[picked], rtol=1e-6)


@given(seed=SEEDS)
def test_the_cosine_comes_from_the_logit_alone(
    small_built_in: BuiltIn, make_vectors: MakeVectors, seed: int
) -> None:
    vectors = make_vectors(9, seed)
    wanted = scores(small_built_in, vectors, 0.0)
    np.testing.assert_allclose(cosines(small_built_in, vectors), wanted, atol=2e-5)


def test_an_embedding_of_length_zero_has_no_direction(small_built_in: BuiltIn) -> None:
    nothing = Vectors.of(np.zeros((2, 12), np.float32))
    assert cosines(small_built_in, nothing).tolist() == [0, 0]


@pytest.mark.parametrize("length", [1e-30, 1e-6, 1e-4])
def test_an_embedding_of_hardly_any_length_stays_within_bounds(
    small_built_in: BuiltIn, length: float
) -> None:
    short = np.random.default_rng(3).normal(size=(20, 12)).astype(np.float32)
    found = cosines(small_built_in, Vectors.of(short * np.float32(length)))
    assert np.abs(found).max() <= 1.001


def test_only_equal_channels_are_wholly_even(small_built_in: BuiltIn) -> None:
    rows = np.array([np.ones(12), np.eye(12)[3]], np.float32)
    even = Vectors.of(rows).times(directions(small_built_in.layer.weight).T)[:, 1]
    np.testing.assert_allclose(even, [1, 12**-0.5], rtol=1e-6)


@given(seed=SEEDS)
def test_unknown_is_what_scores_too_little(
    small_built_in: BuiltIn, make_vectors: MakeVectors, seed: int
) -> None:
    vectors = make_vectors(40, seed)
    wanted = scores(small_built_in, vectors, 0.7)
    least = float(np.sort(wanted)[19:21].mean())
    measured = InDistribution(least, 0.7, likely=0.0)
    classifier = Classifier(replace(small_built_in, in_distribution=measured), [])
    for answer in (classifier.joint(vectors), classifier.built_in(vectors)):
        # Rounding decides for those at the very threshold.
        clear = np.abs(wanted - least) > 1e-4
        assert np.array_equal(answer.unknown[clear], wanted[clear] < least)
        assert 15 <= answer.unknown.sum() <= 25


@given(seed=SEEDS)
def test_what_is_settled_is_unknown_where_the_joint_answer_is(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors, seed: int
) -> None:
    vectors = make_vectors(50, seed)
    measured = InDistribution(float(np.median(scores(small_built_in, vectors, 0.4))))
    built_in = replace(small_built_in, in_distribution=measured)
    classifier = Classifier(built_in, heads)
    settled, joint = (
        classifier.settle(vectors, built_in.summary(vectors)),
        classifier.joint(vectors),
    )
    share = [belonging(head, built_in, vectors) for head in heads]
    near = np.abs(scores(built_in, vectors, 0.4) - measured.least) < 1e-4
    near |= np.any([np.abs(each - 0.5) < 1e-4 for each in share], axis=0)
    near |= np.abs(joint.probability.max(axis=1) - measured.likely) < 1e-5
    assert np.array_equal(settled.unknown[~near], joint.unknown[~near])


def test_a_sure_answer_out_of_distribution_is_unknown(
    small_built_in: BuiltIn, make_vectors: MakeVectors
) -> None:
    sure = replace(small_built_in.layer, bias=np.eye(7, dtype=np.float32)[2] * 1000)
    vectors = make_vectors(5, 1)
    for measured, unknown in ((ANY, False), (NONE, True)):
        built_in = replace(small_built_in, layer=sure, in_distribution=measured)
        answer = Classifier(built_in, []).joint(vectors)
        assert answer.probability.max(axis=1).min() > 0.99
        assert (answer.unknown == unknown).all()


def test_what_a_head_takes_is_known_wherever_it_lies(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors
) -> None:
    vectors, built_in = make_vectors(60, 4), replace(small_built_in, in_distribution=NONE)
    taken = np.any([belonging(head, built_in, vectors) >= 0.5 for head in heads], axis=0)
    assert 0 < taken.sum() < 60
    assert np.array_equal(Classifier(built_in, heads).joint(vectors).unknown, ~taken)


def test_less_than_half_is_too_little_for_a_head_however_little_it_asks(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors
) -> None:
    # So a head that learned from a few pictures does: nearly everything would be its own.
    vectors, built_in = make_vectors(60, 4), replace(small_built_in, in_distribution=NONE)
    modest = [replace(head, accept=0.0) for head in heads]
    assert Classifier(built_in, modest).joint(vectors).unknown.any()


def test_without_a_measurement_only_the_probability_counts(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors
) -> None:
    answer = Classifier(small_built_in, heads).joint(make_vectors(200, 6))
    assert small_built_in.in_distribution is None
    assert np.array_equal(answer.unknown, answer.probability.max(axis=1) < 0.15)
