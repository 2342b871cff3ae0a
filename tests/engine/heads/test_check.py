"""What a head may hold, and that what it computes is finite whatever that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import HeadError, HeadFormatError, HeadMismatchError
from engine.heads.check import HeadLimits, check_categories, check_head
from engine.heads.classifier import BuiltIn, Classifier
from engine.heads.file import head_from_bytes, head_to_bytes
from engine.heads.head import Dense, Head
from engine.heads.numerics import ACTIVATIONS, bounded
from index.records import Vectors
from tests.support.heads import unchecked

MakeHead = Callable[..., Head]
MakeVectors = Callable[[int, int], Vectors]


def with_weights(head: Head, value: float) -> Head:
    """Return a head whose every weight is this number, with alternating sign."""

    def filled(layer: Dense) -> Dense:
        signs = np.where(np.arange(layer.weight.size) % 2, -1, 1).reshape(layer.weight.shape)
        number = np.float32(value)
        return Dense((signs * number).astype(np.float32), np.full_like(layer.bias, number))

    return replace(head, layers=tuple(map(filled, head.layers)), gate=filled(head.gate))


HOSTILE: dict[str, Callable[[Head], Head]] = {
    "huge finite weights": lambda head: with_weights(head, 3e38),
    "weights that are NaN": lambda head: with_weights(head, float("nan")),
    "a huge scale": lambda head: replace(head, scale=1e308),
    "a scale of nothing": lambda head: replace(head, scale=0.0),
    "a negative scale": lambda head: replace(head, scale=-1.0),
    "a tiny temperature": lambda head: replace(head, temperature=1e-300),
    "a huge temperature": lambda head: replace(head, temperature=1e300),
    "a share above one": lambda head: replace(head, accept=1.5),
    "a share below none": lambda head: replace(head, accept=-0.1),
    "a metric that is a text": lambda head: replace(head, metrics={"images": "abc"}),
    "a metric that is a truth": lambda head: replace(head, metrics={"images": True}),
    "a metric that is infinite": lambda head: replace(head, metrics={"a": float("inf")}),
    "images that are NaN": lambda head: replace(head, metrics={"images": float("nan")}),
    "images below none": lambda head: replace(head, metrics={"images": -3.0}),
    "a category of 10 MB": lambda head: replace(head, categories=("a" * 10_000_000, "b", "c")),
    "a category without a name": lambda head: replace(head, categories=("", "b", "c")),
    "a category that is no text": lambda head: replace(head, categories=("\ud800", "b", "c")),
    "two categories of one name": lambda head: replace(head, categories=("a", "a", "b")),
    "no category": lambda head: replace(head, categories=()),
    "no layer": lambda head: replace(head, layers=()),
    "very many layers": lambda head: replace(
        head, layers=(*[Dense(np.eye(12, dtype="f"), np.zeros(12, "f"))] * 64, *head.layers)
    ),
    "embeddings of dim 0": lambda head: replace(
        head,
        layers=(Dense(np.zeros((3, 0), "f"), np.zeros(3, "f")),),
        gate=Dense(np.zeros((3, 0), "f"), np.zeros(3, "f")),
    ),
}


@pytest.mark.parametrize("harm", HOSTILE)
def test_what_no_head_may_hold_is_refused_when_one_is_read(make_head: MakeHead, harm: str) -> None:
    with pytest.raises(HeadFormatError):
        head_from_bytes(unchecked(HOSTILE[harm](make_head())), "a.head")


@pytest.mark.parametrize("harm", HOSTILE)
def test_what_no_head_may_hold_is_refused_before_it_is_stored(
    make_head: MakeHead, harm: str
) -> None:
    with pytest.raises(HeadError, match="cannot be stored"):
        head_to_bytes(HOSTILE[harm](make_head()))


def test_limits_are_given_and_not_only_constants(make_head: MakeHead) -> None:
    check_head(make_head(hidden=(4,)))
    for limits in (
        HeadLimits(layers=1),
        HeadLimits(categories=2),
        HeadLimits(name=3),
        HeadLimits(weight=0.1),
        HeadLimits(factor=1.1),
        HeadLimits(figure=1.0),
    ):
        with pytest.raises(ValueError, match=r"."):
            check_head(make_head(hidden=(4,)), limits)


def test_any_text_that_people_write_names_a_category() -> None:
    check_categories(("椅子", "🪑", "a b", "=1+1", "x" * 1000))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_at_the_limits_every_answer_is_finite(
    make_head: MakeHead, make_vectors: MakeVectors, small_built_in: BuiltIn, activation: str
) -> None:
    limits = HeadLimits()
    vectors = make_vectors(20, 5)
    vectors = Vectors(vectors.unit, vectors.norm * np.float32(1e4))
    for scale in (limits.factor, 1 / limits.factor):
        for temperature in (limits.factor, 1 / limits.factor):
            head = with_weights(make_head(hidden=(9, 8, 7)), limits.weight)
            head = replace(head, scale=scale, temperature=temperature, activation=activation)
            check_head(head)
            classifier = Classifier(small_built_in, [make_head(3, name="other"), head])
            joint = classifier.joint(vectors)
            assert np.isfinite(joint.probability).all()
            np.testing.assert_allclose(joint.probability.sum(axis=1), 1, atol=1e-4)
            assert np.isfinite(classifier.own(head, vectors).probability).all()
            assert np.isfinite(classifier.best(vectors).probability).all()


def test_a_head_that_cannot_be_computed_takes_nothing_from_others(
    make_head: MakeHead, make_vectors: MakeVectors, small_built_in: BuiltIn
) -> None:
    # Made in Python, where no file was checked.
    broken = with_weights(make_head(name="broken"), float("nan"))
    vectors = make_vectors(20, 6)
    both = Classifier(small_built_in, [broken]).joint(vectors)
    alone = Classifier(small_built_in, []).joint(vectors)
    known = len(small_built_in.categories)
    np.testing.assert_allclose(both.probability[:, :known], alone.probability, atol=1e-6)
    assert (both.probability[:, known:] == 0).all()


def test_what_honest_heads_compute_is_not_changed_by_the_bound() -> None:
    values = np.array([[-1e6, -3.5, 0.0, 1e-30, 7.25, 1e6]], np.float32)
    assert np.array_equal(bounded(values), values)
    assert bounded(np.array([np.nan, np.inf, -np.inf], np.float32)).tolist() == [-1e6, 1e6, -1e6]


def test_a_head_for_embeddings_of_another_length_is_refused(make_head: MakeHead) -> None:
    head = make_head()
    head.require("fake", head.fingerprint, head.dim)
    with pytest.raises(HeadMismatchError, match="dim 12, the catalog holds those of 512"):
        head.require("fake", head.fingerprint, 512)
