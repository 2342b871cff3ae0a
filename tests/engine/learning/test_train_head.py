"""From labelled embeddings to a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.heads.classifier import BuiltIn, Classifier
from engine.heads.file import head_to_bytes
from engine.heads.head import Dense
from engine.heads.lbfgs import fit_gate
from engine.heads.options import TrainOptions
from engine.heads.rows import Rows
from engine.learning.examples import Examples
from engine.learning.train_head import Origin, Trained, train_head
from index.records import Vectors

DIM = 12
ORIGIN = Origin("furniture", "fake", "f" * 64)
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
    )


@pytest.fixture(scope="module")
def others(make_vectors: Callable[[int, int], Vectors]) -> Vectors:
    """Embeddings of pictures that show something else."""
    return make_vectors(80, 7)


@pytest.fixture(scope="module")
def trained(small_built_in: BuiltIn, others: Vectors) -> Trained:
    """A head for two categories."""
    return train_head(ORIGIN, examples(), others, small_built_in, OPTIONS)


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


def test_a_fifth_of_the_images_is_held_out_and_measured(trained: Trained) -> None:
    metrics = trained.head.metrics
    assert trained.validation_images == metrics["validation_images"] == 12
    assert metrics["images"] == 60
    assert metrics["validation_accuracy"] > 0.9


def test_the_same_seed_gives_the_same_head_file_but_for_its_date(
    trained: Trained, small_built_in: BuiltIn, others: Vectors
) -> None:
    again = train_head(ORIGIN, examples(), others, small_built_in, OPTIONS).head
    dated = replace(again, created_at=trained.head.created_at)
    assert head_to_bytes(dated) == head_to_bytes(trained.head)


def test_another_seed_gives_another_head(
    trained: Trained, small_built_in: BuiltIn, others: Vectors
) -> None:
    options = replace(OPTIONS, seed=1)
    other = train_head(ORIGIN, examples(), others, small_built_in, options).head
    assert not np.array_equal(other.gate.weight, trained.head.gate.weight)
    assert not np.array_equal(other.layers[0].weight, trained.head.layers[0].weight)


def test_catalog_images_that_show_a_new_category_are_no_background(
    small_built_in: BuiltIn, others: Vectors
) -> None:
    secret, _ = images(40, 3)
    mixed = Vectors.concatenate([others, secret])
    plain = train_head(ORIGIN, examples(), others, small_built_in, OPTIONS)
    found = train_head(ORIGIN, examples(), mixed, small_built_in, OPTIONS)
    assert plain.background > 50
    assert plain.background - 5 <= found.background <= plain.background + 5


def test_mirrored_copies_count_as_no_images_and_are_not_held_out(
    small_built_in: BuiltIn, others: Vectors
) -> None:
    both = train_head(ORIGIN, examples(mirrored=True), others, small_built_in, OPTIONS)
    assert (both.head.metrics["images"], both.validation_images) == (60, 12)


def test_hidden_layers_are_trained_where_they_are_asked_for(
    small_built_in: BuiltIn, others: Vectors
) -> None:
    options = replace(OPTIONS, hidden=(8,))
    head = train_head(ORIGIN, examples(), others, small_built_in, options).head
    assert [layer.weight.shape for layer in head.layers] == [(8, 12), (2, 8)]
    vectors, labels = images(40, 2)
    assert (head.log_probabilities(vectors).argmax(axis=1) == labels).mean() > 0.9


def test_one_category_alone_can_be_learned(small_built_in: BuiltIn, others: Vectors) -> None:
    head = train_head(ORIGIN, examples(categories=1), others, small_built_in, OPTIONS).head
    classifier = Classifier(small_built_in, [head])
    assert (classifier.best(images(40, 2, 1)[0]).choice == 7).mean() > 0.9
    assert (classifier.best(others).choice == 7).mean() < 0.1


def test_an_empty_catalog_is_no_obstacle(small_built_in: BuiltIn) -> None:
    trained = train_head(ORIGIN, examples(), Vectors.empty(DIM), small_built_in, OPTIONS)
    assert trained.background == 0
    assert trained.head.metrics["validation_accuracy"] > 0.9


def test_what_does_not_belong_is_unknown_to_the_head_asked_alone(
    trained: Trained, small_built_in: BuiltIn, others: Vectors
) -> None:
    classifier = Classifier(small_built_in, [trained.head])
    assert classifier.own(trained.head, others).unknown.mean() > 0.8
    assert classifier.own(trained.head, images(40, 2)[0]).unknown.mean() < 0.1


@pytest.fixture
def so_many(monkeypatch: pytest.MonkeyPatch) -> Examples:
    """More examples than are all looked at by every part of a training."""
    monkeypatch.setattr("engine.heads.options.MANY", 300)
    monkeypatch.setattr("engine.heads.options.ROWS_SEEN", 6_000)
    monkeypatch.setattr("engine.learning.train_head.MOST_HELD_OUT", 50)
    monkeypatch.setattr("engine.learning.train_head.GATE_ROWS", 80)
    return examples(600)


def test_very_many_images_are_told_apart_as_well(
    so_many: Examples, small_built_in: BuiltIn, others: Vectors
) -> None:
    trained = train_head(ORIGIN, so_many, others, small_built_in, OPTIONS)
    classifier, (vectors, labels) = Classifier(small_built_in, [trained.head]), images(40, 2)
    assert len(trained.history) == 10
    assert (classifier.joint(vectors).best().choice == 7 + labels).mean() > 0.9
    assert (classifier.best(others).choice < 7).mean() > 0.8


def test_of_very_many_images_no_more_are_held_out_than_it_takes(
    so_many: Examples, small_built_in: BuiltIn, others: Vectors
) -> None:
    trained = train_head(ORIGIN, so_many, others, small_built_in, OPTIONS)
    assert trained.validation_images == 50
    assert trained.head.metrics["images"] == 600


def test_gates_see_as_many_images_of_each_category(
    so_many: Examples, small_built_in: BuiltIn, others: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []

    def noted(rows: Rows, *rest: object) -> Dense:
        seen.append(np.bincount(rows.labels).tolist())
        return fit_gate(rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("engine.learning.train_head.fit_gate", noted)
    train_head(ORIGIN, so_many, others, small_built_in, OPTIONS)
    assert seen == [[40, 40], [40, 40]]


def test_very_many_images_give_the_same_head_again(
    so_many: Examples, small_built_in: BuiltIn, others: Vectors
) -> None:
    one, other = (train_head(ORIGIN, so_many, others, small_built_in, OPTIONS) for _ in range(2))
    dated = replace(other.head, created_at=one.head.created_at)
    assert head_to_bytes(dated) == head_to_bytes(one.head)


def test_what_falls_to_the_head_of_what_others_are_sure_of_is_measured(
    trained: Trained, small_built_in: BuiltIn, others: Vectors
) -> None:
    answers = Classifier(small_built_in, []).joint(others)
    sure = answers.probability.max(axis=1) >= 0.15
    joint = Classifier(small_built_in, [trained.head]).joint(others[sure]).best()

    metrics = trained.head.metrics
    assert metrics["sure_of_catalog"] == sure.sum()
    assert metrics["taken_from_catalog"] == pytest.approx((joint.choice >= 7).mean())
    assert 0 <= metrics["taken_from_built_in"] < 0.2


def test_without_a_catalog_nothing_is_said_of_it(small_built_in: BuiltIn) -> None:
    trained = train_head(ORIGIN, examples(), Vectors.empty(DIM), small_built_in, OPTIONS)
    assert "taken_from_catalog" not in trained.head.metrics
    assert "taken_from_built_in" in trained.head.metrics
