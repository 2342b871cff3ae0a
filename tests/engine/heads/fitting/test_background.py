"""What new categories are told apart from."""

from __future__ import annotations

import numpy as np
import pytest

from engine.heads.classifier import BuiltIn
from engine.heads.fitting.background import Prototypes, background_logits, suspects
from engine.heads.head import Dense
from engine.heads.numerics import softmax
from index.records import Vectors

BED, LAMP = slice(0, 12), slice(24, 36)


def gate_of(bias: float) -> Dense:
    """Return a gate that takes everything or nothing."""
    return Dense(np.zeros((1, 1280), np.float32), np.full(1, bias, np.float32))


@pytest.fixture(scope="module")
def made_up(drawn_vectors: Vectors, imagenet: BuiltIn) -> Vectors:
    """Prototypes around the drawn beds."""
    return Prototypes(imagenet).draw(drawn_vectors[BED], 0)


@pytest.mark.slow
def test_there_are_two_prototypes_of_every_built_in_category(made_up: Vectors) -> None:
    assert made_up.unit.shape == (2000, 1280)


@pytest.mark.slow
def test_the_built_in_layer_takes_prototypes_for_what_they_stand_for(
    made_up: Vectors, imagenet: BuiltIn
) -> None:
    answers = imagenet.logits(made_up).argmax(axis=1)
    assert (answers == np.tile(np.arange(1000), 2)).mean() >= 0.9


@pytest.mark.slow
def test_prototypes_could_come_from_the_backbone(made_up: Vectors, drawn_vectors: Vectors) -> None:
    assert drawn_vectors.unit.min() >= 0
    assert made_up.unit.min() >= 0
    assert np.isfinite(made_up.raw).all()


@pytest.mark.slow
def test_prototypes_of_embeddings_that_may_be_negative_are_not_cut_off(
    drawn_vectors: Vectors, imagenet: BuiltIn
) -> None:
    shifted = Vectors.of(drawn_vectors.raw - 0.5)
    assert Prototypes(imagenet).draw(shifted, 0).unit.min() < 0


@pytest.mark.slow
def test_the_same_seed_gives_the_same_prototypes(
    made_up: Vectors, drawn_vectors: Vectors, imagenet: BuiltIn
) -> None:
    again = Prototypes(imagenet).draw(drawn_vectors[BED], 0)
    other = Prototypes(imagenet).draw(drawn_vectors[BED], 1)
    assert np.array_equal(made_up.unit, again.unit)
    assert not np.array_equal(made_up.unit, other.unit)


def test_the_neutral_middle_shows_less_of_anything_than_the_images_do(
    drawn_vectors: Vectors, imagenet: BuiltIn
) -> None:
    beds = drawn_vectors[BED]
    middle = Vectors.of(Prototypes(imagenet).middle(beds)[None])
    mean = Vectors.of(beds.raw.mean(axis=0, keepdims=True))
    surest = softmax(imagenet.logits(middle)).max()
    assert surest < 0.02 < softmax(imagenet.logits(mean)).max()


def test_copies_of_training_images_are_suspects(drawn_vectors: Vectors, imagenet: BuiltIn) -> None:
    beds = drawn_vectors[BED]
    assert suspects(beds, beds, gate_of(-100), imagenet).all()


def test_images_of_other_things_are_no_suspects(drawn_vectors: Vectors, imagenet: BuiltIn) -> None:
    found = suspects(drawn_vectors[LAMP], drawn_vectors[BED], gate_of(-100), imagenet)
    assert not found.any()


def test_what_the_gate_takes_is_a_suspect(drawn_vectors: Vectors, imagenet: BuiltIn) -> None:
    found = suspects(drawn_vectors[LAMP], drawn_vectors[BED], gate_of(100), imagenet)
    assert found.all()


def test_a_training_images_own_mirrored_copy_does_not_set_the_limit(
    drawn_vectors: Vectors, imagenet: BuiltIn
) -> None:
    beds, lamps = drawn_vectors[BED], drawn_vectors[LAMP]
    twice = Vectors.concatenate([beds, beds])
    once_found = suspects(lamps, beds, gate_of(-100), imagenet)
    twice_found = suspects(beds, twice, gate_of(-100), imagenet)
    assert not once_found.any()
    assert twice_found.all()
    assert not suspects(lamps, twice, gate_of(-100), imagenet).any()


def test_suspects_are_the_same_whatever_is_compared_at_a_time(
    drawn_vectors: Vectors, imagenet: BuiltIn
) -> None:
    beds, all_of_them = drawn_vectors[BED], Vectors.concatenate([drawn_vectors, drawn_vectors])
    whole = suspects(all_of_them, beds, gate_of(-100), imagenet)
    parts = suspects(all_of_them, beds, gate_of(-100), imagenet, block=5)
    assert np.array_equal(parts, whole)
    assert 0 < whole.sum() < len(whole)


def test_among_no_images_there_are_no_suspects(drawn_vectors: Vectors, imagenet: BuiltIn) -> None:
    found = suspects(Vectors.empty(1280), drawn_vectors[BED], gate_of(100), imagenet)
    assert found.shape == (0,)


def test_a_gate_must_stay_below_all_built_in_logits_together(
    drawn_vectors: Vectors, imagenet: BuiltIn
) -> None:
    limit = background_logits(drawn_vectors, imagenet)
    wanted = np.logaddexp.reduce(imagenet.logits(drawn_vectors).astype(np.float64), axis=1)
    np.testing.assert_allclose(limit, wanted, rtol=1e-5)
