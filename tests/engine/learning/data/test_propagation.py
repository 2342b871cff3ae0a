"""What labels say of images without one: how they spread, and from whom."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from engine import Engine
from engine.learning.data.propagation import (
    Claimed,
    PropagationOptions,
    Surroundings,
    claimed,
    surroundings_of,
)
from index.records import Floats, Ids, Vectors
from index.vectors.graph import STORED
from tests.support.around import surroundings

DIM = 16


def unit(values: Floats) -> Floats:
    """Return rows of length 1."""
    rows: Floats = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return rows


def arcs(each: int, seed: int = 0) -> tuple[Floats, Ids]:
    """Two arcs of images: neighbours are alike, the ends of one arc are not."""
    rng = np.random.default_rng(seed)
    along = np.linspace(0, 2.2, each)
    rows = []
    for label in (0, 1):
        part = np.zeros((each, DIM))
        part[:, 2 * label], part[:, 2 * label + 1] = np.cos(along), np.sin(along)
        part[:, 4] = 0.6
        rows.append(part + rng.normal(0, 0.01, part.shape))
    return unit(np.concatenate(rows)), np.repeat([0, 1], each)


def claims(around: Surroundings, examples: Floats, labels: Ids, outputs: int = 2) -> Claimed:
    everything = np.arange(len(labels))
    return claimed(around, examples, labels, everything, outputs)


def test_a_label_spreads_to_what_is_like_it_by_way_of_others() -> None:
    images, truth = arcs(30)
    examples = images[[0, 30]]
    others = np.setdiff1d(np.arange(60), [0, 30])
    found = claims(surroundings(images[others], examples), examples, np.array([0, 1]))
    assert (found.labels == truth[others][found.images]).all()
    # By itself the farthest of them is hardly more like its own example than like the other.
    farthest = others[found.images[found.labels == 0].max()]
    assert farthest > 15
    own, other = images[farthest] @ examples.T
    assert own - other < 0.3


def test_what_is_far_from_all_labels_counts_for_little() -> None:
    images, _ = arcs(40)
    rng = np.random.default_rng(3)
    foreign = unit(np.abs(rng.normal(0, 1, (60, DIM))) * (np.arange(DIM) > 5) + 0.05)
    examples = images[[5, 45]]
    others = np.delete(images, [5, 45], axis=0)
    around = surroundings(np.concatenate([others, foreign]), examples)
    found = claims(around, examples, np.array([0, 1]))
    own = found.confidence[found.images < len(others)].sum() / len(others)
    theirs = found.confidence[found.images >= len(others)].sum() / len(foreign)
    assert theirs < own / 10


def test_labels_spread_as_the_closed_form_says() -> None:
    images, _ = arcs(20, seed=1)
    examples, labels = images[[0, 7, 20]], np.array([0, 0, 1])
    others = np.delete(images, [0, 7, 20], axis=0)
    options = PropagationOptions(steps=200, least=0.0)
    found = claims(surroundings(others, examples, options), examples, labels)
    every = np.concatenate([others, examples])
    cosines = every @ every.T
    np.fill_diagonal(cosines, -1)
    nearest = np.argsort(-cosines, axis=1)[:, : options.neighbours]
    weights = np.zeros_like(cosines)
    for row, some in enumerate(nearest):
        weights[row, some] = np.clip(cosines[row, some], 0, 1) ** options.power
    weights = np.maximum(weights, weights.T)
    degree = 1 / np.sqrt(weights.sum(axis=1))
    given = np.zeros((len(every), 2))
    given[len(others) + np.arange(3), labels] = [0.5, 0.5, 1]
    system = np.eye(len(every)) - options.alpha * degree[:, None] * weights * degree
    spread = np.linalg.solve(system, given)
    share = spread / spread.sum(axis=0)
    share /= share.sum(axis=1, keepdims=True)
    sure = np.abs(share[: len(others), 0] - 0.5) > 1e-3
    position = np.flatnonzero(sure)
    at = np.searchsorted(found.images, position)
    assert (found.labels[at] == share[position].argmax(axis=1)).all()


def test_a_rare_label_is_not_swallowed_by_a_common_one() -> None:
    images, truth = arcs(50)
    at = np.array([0, 10, 20, 30, 40, 49, 75])
    others = np.delete(np.arange(100), at)
    found = claims(surroundings(images[others], images[at]), images[at], truth[at])
    assert (found.labels == truth[others][found.images]).mean() > 0.98


@pytest.mark.parametrize("examples", [[0], [0, 1]])
def test_a_single_label_claims_nothing(examples: list[int]) -> None:
    images, truth = arcs(20)
    around = surroundings(images[2:], images[:2])
    found = claimed(around, images[:2], truth[:2], np.array(examples), 2)
    assert len(found.images) == 0


def test_images_that_are_not_asked_take_no_part() -> None:
    images, truth = arcs(30)
    at = np.array([0, 15, 30, 45])
    others = np.delete(np.arange(60), at)
    asked = np.array([0, 2])
    examples, labels = images[at], truth[at]
    before = claimed(surroundings(images[others], examples), examples, labels, asked, 2)
    changed, other_labels = examples.copy(), labels.copy()
    changed[[1, 3]], other_labels[[1, 3]] = -examples[[3, 1]], labels[[3, 1]]
    after = claimed(surroundings(images[others], changed), changed, other_labels, asked, 2)
    for name in ("images", "labels", "confidence"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


def asked(engine: Engine, vectors: Vectors, hashes: frozenset[str]) -> Surroundings | None:
    """Return what a catalog has around embeddings."""
    options = PropagationOptions()
    return engine._session.index().ask(
        engine._session.catalog(),
        lambda catalog, index: surroundings_of(vectors.unit, hashes, catalog, index, options),
    )


@pytest.mark.slow
def test_neither_examples_nor_labelled_images_nor_copies_are_around(
    images: Path, fake_engine: Engine
) -> None:
    for path in images.rglob("*.jpg"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    fake_engine.index([images / "bed", images / "chair"])
    fake_engine.index([images / "lamp"], label="parent")
    catalog = fake_engine._session.catalog()
    contents = {each.id: each for each in catalog.contents.visible()}
    ids, vectors = catalog.embeddings.all()
    beds = [at for at, each in enumerate(ids.tolist()) if "bed" in contents[each].path]
    chairs = [at for at, each in enumerate(ids.tolist()) if "chair" in contents[each].path]
    hashes = frozenset(contents[each].content_hash for each in ids[beds].tolist())
    found = asked(fake_engine, vectors[np.array(beds)], hashes)
    assert found is not None
    assert sorted(map(tuple, found.vectors.unit)) == sorted(map(tuple, vectors.unit[chairs]))
    # An embedding that is a chair's: that image is a copy of an example, whatever its content.
    examples = vectors[np.array([*beds, chairs[0]])]
    found = asked(fake_engine, examples, hashes)
    assert found is not None
    assert sorted(map(tuple, found.vectors.unit)) == sorted(map(tuple, vectors.unit[chairs[1:]]))
    assert found.nearest.shape == (len(beds) + 1, min(PropagationOptions().neighbours, 12))


@pytest.mark.slow
def test_without_a_graph_there_is_nothing_around(images: Path, fake_engine: Engine) -> None:
    fake_engine.index([next(images.rglob("*.jpg"))])
    _, vectors = fake_engine._session.catalog().embeddings.all()
    assert asked(fake_engine, vectors, frozenset()) is None


def test_the_surroundings_of_some_examples_are_theirs() -> None:
    images, _ = arcs(15)
    around = surroundings(images[3:], images[:3])
    some = around.take(np.array([2, 0]))
    assert np.array_equal(some.nearest, around.nearest[[2, 0]])
    assert len(some) == len(around) and some.nearest.shape[1] <= STORED
