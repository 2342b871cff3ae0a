"""From labelled embeddings to a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.heads.classifier import BuiltIn, Classifier
from engine.heads.file import head_to_bytes
from engine.heads.options import TrainOptions
from engine.learning.data.examples import Examples
from engine.learning.data.split import SplitOptions
from engine.learning.train_head import HeadTraining, Trained, TrainLimits
from engine.learning.trial import GateOptions, gate_rows, new_head
from index.records import CatalogIdentity, Vectors
from tests.support.spread import SAME_CONTENT

DIM = 12
IDENTITY = CatalogIdentity("fake", "f" * 64, DIM, "float16", "fp32")
OPTIONS = TrainOptions(epochs=30, lr=0.02)


def images(count: int, seed: int, categories: int = 2) -> tuple[Vectors, np.ndarray]:
    """Return embeddings of pictures of new categories, far from what the built-in ones know."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % categories
    centres = 6 * np.eye(DIM)[-categories:]
    return Vectors.of(
        (centres[labels] + rng.normal(0, 0.9, (count, DIM))).astype(np.float32)
    ), labels


def examples(count: int = 60, categories: int = 2, mirrored: bool = False) -> Examples:
    vectors, labels = images(count, 1, categories)
    views = 2 if mirrored else 1
    return Examples(
        hashes=tuple(f"{number:064x}" for number in range(count)),
        paths=("",) * count,
        categories=tuple("abcdef"[:categories]),
        labels=labels.astype(np.int64),
        vectors=Vectors.concatenate([vectors] * views),
        image=np.tile(np.arange(count), views),
        view=np.repeat(np.arange(views), count),
        views=("original", "mirror")[:views],
        copies=SAME_CONTENT,
    )


def train(
    examples: Examples,
    catalog: Vectors,
    built_in: BuiltIn,
    options: TrainOptions = OPTIONS,
    limits: TrainLimits | None = None,
) -> Trained:
    training = HeadTraining(examples, catalog, built_in, options, limits)
    return training.run(new_head("furniture", IDENTITY, examples))


@pytest.fixture(scope="module")
def others(make_vectors: Callable[[int, int], Vectors]) -> Vectors:
    """Embeddings of pictures that show something else."""
    return make_vectors(80, 7)


@pytest.fixture(scope="module")
def trained(small_built_in: BuiltIn, others: Vectors) -> Trained:
    """A head for two categories."""
    return train(examples(), others, small_built_in)


@pytest.mark.slow
def test_the_head_says_what_it_is(trained: Trained) -> None:
    head = trained.head
    assert (head.name, head.backbone, head.fingerprint) == ("furniture", "fake", "f" * 64)
    assert (head.categories, head.dim) == (("a", "b"), DIM)


def test_new_images_are_told_apart(trained: Trained, small_built_in: BuiltIn) -> None:
    vectors, labels = images(40, 2)
    answers = Classifier(small_built_in, [trained.head]).own(trained.head, vectors)
    assert (answers.probability.argmax(axis=1) == labels).mean() > 0.95


def test_new_images_win_against_the_built_in_categories(
    trained: Trained, small_built_in: BuiltIn
) -> None:
    vectors, labels = images(40, 2)
    choice = Classifier(small_built_in, [trained.head]).joint(vectors).best().choice
    assert (choice == 7 + labels).mean() > 0.9


def test_other_images_stay_with_the_built_in_categories(
    trained: Trained, small_built_in: BuiltIn, make_vectors: Callable[[int, int], Vectors]
) -> None:
    vectors = make_vectors(200, 8)
    before = Classifier(small_built_in, []).best(vectors).choice
    after = Classifier(small_built_in, [trained.head]).best(vectors).choice
    assert (before == after).mean() > 0.8


def test_of_few_images_each_is_tested(trained: Trained) -> None:
    metrics, record = trained.head.metrics, trained.head.record
    assert record is not None and record.answers is not None
    assert (metrics["images"], metrics["test_images"], record.folds) == (60, 60, 5)
    assert record.answers.labels.tolist() == [0, 1] * 30
    assert metrics["validation_accuracy"] > 0.9


def test_of_many_images_a_part_is_tested(small_built_in: BuiltIn, others: Vectors) -> None:
    limits = TrainLimits(split=SplitOptions(few=50, test=0.25))
    head = train(examples(), others, small_built_in, limits=limits).head
    assert head.record is not None
    assert (head.metrics["test_images"], head.record.folds) == (15 + 1, 1)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_head_file_but_for_its_date(
    trained: Trained, small_built_in: BuiltIn, others: Vectors
) -> None:
    again = train(examples(), others, small_built_in).head
    dated = replace(again, created_at=trained.head.created_at)
    assert head_to_bytes(dated) == head_to_bytes(trained.head)


def test_another_seed_gives_another_head(
    trained: Trained, small_built_in: BuiltIn, others: Vectors
) -> None:
    options = replace(OPTIONS, seed=1)
    other = train(examples(), others, small_built_in, options).head
    assert not np.array_equal(other.gate.weight, trained.head.gate.weight)
    assert not np.array_equal(other.layers[0].weight, trained.head.layers[0].weight)


@pytest.mark.slow
def test_catalog_images_that_show_a_new_category_are_no_background(
    small_built_in: BuiltIn, others: Vectors
) -> None:
    secret, _ = images(40, 3)
    mixed = Vectors.concatenate([others, secret])
    every = TrainLimits(background_test=0.0)
    plain = train(examples(), others, small_built_in, limits=every)
    found = train(examples(), mixed, small_built_in, limits=every)
    assert plain.background > 50
    assert plain.background - 5 <= found.background <= plain.background + 5


def test_mirrored_copies_are_not_tested(small_built_in: BuiltIn, others: Vectors) -> None:
    metrics = train(examples(mirrored=True), others, small_built_in).head.metrics
    assert (metrics["images"], metrics["test_images"]) == (60, 60)


def test_hidden_layers_are_trained_where_they_are_asked_for(
    small_built_in: BuiltIn, others: Vectors
) -> None:
    options = replace(OPTIONS, hidden=(8,))
    head = train(examples(), others, small_built_in, options).head
    assert [layer.weight.shape for layer in head.layers] == [(8, 12), (2, 8)]
    vectors, labels = images(40, 2)
    assert (head.log_probabilities(vectors).argmax(axis=1) == labels).mean() > 0.9


def test_one_category_alone_can_be_learned(small_built_in: BuiltIn, others: Vectors) -> None:
    head = train(examples(categories=1), others, small_built_in).head
    classifier = Classifier(small_built_in, [head])
    assert (classifier.best(images(40, 2, 1)[0]).choice == 7).mean() > 0.9
    assert (classifier.best(others).choice == 7).mean() < 0.1


def test_an_empty_catalog_is_no_obstacle(small_built_in: BuiltIn) -> None:
    trained = train(examples(), Vectors.empty(DIM), small_built_in)
    assert trained.background == 0
    assert trained.head.metrics["validation_accuracy"] > 0.9


@pytest.mark.slow
def test_a_fifth_of_the_catalog_is_measured_on_and_not_learned_from(
    small_built_in: BuiltIn, others: Vectors, make_vectors: Callable[[int, int], Vectors]
) -> None:
    def gate(first: Vectors, rest: Vectors) -> list[float]:
        catalog = Vectors.concatenate([first, rest])
        return train(examples(), catalog, small_built_in).head.gate.weight.ravel().tolist()

    other = make_vectors(16, 9)
    assert gate(others[:16], others[16:]) == gate(other, others[16:])
    assert gate(others[:16], others[16:]) != gate(others[:16], others[16:-1])


def test_what_does_not_belong_is_unknown_to_the_head_asked_alone(
    trained: Trained, small_built_in: BuiltIn, others: Vectors
) -> None:
    classifier = Classifier(small_built_in, [trained.head])
    assert classifier.own(trained.head, others).unknown.mean() > 0.8
    assert classifier.own(trained.head, images(40, 2)[0]).unknown.mean() < 0.1


MANY = TrainLimits(SplitOptions(few=300, most=50), gate=GateOptions(rows=80))


def test_very_many_images_are_told_apart_as_well(small_built_in: BuiltIn, others: Vectors) -> None:
    head = train(examples(600), others, small_built_in, limits=MANY).head
    classifier, (vectors, labels) = Classifier(small_built_in, [head]), images(40, 2)
    assert (classifier.joint(vectors).best().choice == 7 + labels).mean() > 0.9
    assert (classifier.best(others).choice < 7).mean() > 0.8


def test_of_very_many_images_no_more_are_tested_than_it_takes(
    small_built_in: BuiltIn, others: Vectors
) -> None:
    metrics = train(examples(600), others, small_built_in, limits=MANY).head.metrics
    assert (metrics["images"], metrics["test_images"]) == (600, 50)


def test_gates_see_as_many_images_of_each_category() -> None:
    some = examples(600)
    rare = np.flatnonzero((some.labels == 0) | (np.arange(600) < 100))
    rows = gate_rows(some, rare, GateOptions(rows=80), 0)
    assert np.bincount(some.row_labels[rows]).tolist() == [40, 40]


@pytest.mark.slow
def test_very_many_images_give_the_same_head_again(
    small_built_in: BuiltIn, others: Vectors
) -> None:
    one, other = (train(examples(600), others, small_built_in, limits=MANY) for _ in range(2))
    dated = replace(other.head, created_at=one.head.created_at)
    assert head_to_bytes(dated) == head_to_bytes(one.head)


def test_what_falls_to_the_head_of_what_others_are_sure_of_is_measured(
    trained: Trained, small_built_in: BuiltIn, others: Vectors
) -> None:
    # A fifth of the catalog is not learned from.
    asked = others[:16]
    answers = Classifier(small_built_in, []).joint(asked)
    sure = answers.probability.max(axis=1) >= 0.15
    joint = Classifier(small_built_in, [trained.head]).joint(asked[sure]).best()

    metrics = trained.head.metrics
    assert metrics["sure_of_catalog"] == sure.sum()
    assert metrics["taken_from_catalog"] == pytest.approx((joint.choice >= 7).mean())
    assert 0 <= metrics["taken_from_built_in"] < 0.2


def test_without_a_catalog_nothing_is_said_of_it(small_built_in: BuiltIn) -> None:
    trained = train(examples(), Vectors.empty(DIM), small_built_in)
    assert "taken_from_catalog" not in trained.head.metrics
    assert "taken_from_built_in" in trained.head.metrics
