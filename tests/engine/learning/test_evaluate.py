"""Measuring, against definitions written out and scikit-learn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import average_precision_score

from engine import Engine, TrainOptions, UsageError
from engine.learning.metrics import (
    category_scores,
    confusion_table,
    neighbours_vote,
    retrieval,
)
from engine.testing import CATEGORIES
from index.records import Floats, Ids

QUICK = TrainOptions(epochs=5)


def cloud(count: int, categories: int, seed: int) -> tuple[Floats, Ids]:
    """Return unit vectors that lie a little by category, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, categories, count)
    values = 0.5 * np.eye(8)[labels] + rng.normal(0, 0.5, (count, 8))
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit.astype(np.float32), labels.astype(np.int64)


CLOUDS = st.builds(cloud, st.integers(1, 40), st.integers(1, 4), st.integers(0, 10_000))


def others(unit: Floats, labels: Ids, row: int) -> tuple[Floats, Ids]:
    """Return the scores and the rows of all other pictures, best first."""
    rows = np.delete(np.arange(len(labels)), row)
    scores = unit[rows] @ unit[row]
    order = np.argsort(-scores, kind="stable")
    return scores[order], rows[order]


@given(data=CLOUDS, budget=st.integers(1, 8000))
def test_precision_and_map_are_what_their_definitions_say(
    data: tuple[Floats, Ids], budget: int
) -> None:
    unit, labels = data
    first, ten, averages = [], [], []
    for row, label in enumerate(labels):
        scores, rows = others(unit, labels, row)
        right = labels[rows] == label
        first.append(right[:1].sum())
        ten.append(right[:10].sum() / 10)
        if right.any():
            averages.append(average_precision_score(right, scores))
    found = retrieval(unit, labels, budget)
    assert found.precision_at_1 == pytest.approx(np.mean(first))
    assert found.precision_at_10 == pytest.approx(np.mean(ten))
    assert found.map == pytest.approx(np.mean(averages) if averages else 0.0, abs=1e-6)


@given(data=CLOUDS)
def test_neighbours_are_the_nearest_others(data: tuple[Floats, Ids]) -> None:
    unit, labels = data
    found = retrieval(unit, labels)
    for row in range(len(labels)):
        scores, _ = others(unit, labels, row)
        there = found.neighbours[row] >= 0
        assert row not in found.neighbours[row]
        assert there.sum() == min(10, len(labels) - 1)
        np.testing.assert_allclose(found.scores[row, there], scores[:10], atol=1e-6)
        near = unit[found.neighbours[row, there]] @ unit[row]
        np.testing.assert_allclose(near, scores[:10], atol=1e-6)


def test_a_image_is_left_out_of_its_own_results() -> None:
    found = retrieval(np.eye(4, dtype=np.float32), np.arange(4))
    assert (found.precision_at_1, found.precision_at_10, found.map) == (0.0, 0.0, 0.0)


@given(data=CLOUDS)
def test_the_neighbours_vote_with_their_similarity(data: tuple[Floats, Ids]) -> None:
    unit, labels = data
    winners = neighbours_vote(retrieval(unit, labels), labels)
    for row in range(len(labels)):
        scores, rows = others(unit, labels, row)
        votes = np.zeros(4)
        for score, other in zip(scores[:10], rows[:10], strict=True):
            votes[labels[other]] += max(score, 1e-6)
        assert votes[winners[row]] == pytest.approx(votes.max(), abs=1e-5)


def test_a_near_neighbour_outvotes_a_far_one() -> None:
    unit = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8]], np.float32)
    labels = np.array([0, 1, 2])
    assert neighbours_vote(retrieval(unit, labels), labels)[0] == 1


ANSWERS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1)


@given(pairs=ANSWERS)
def test_precision_recall_and_confusion_are_what_their_definitions_say(
    pairs: list[tuple[str, str]],
) -> None:
    truth, answers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    names = sorted(set(truth))
    every = [*names, *sorted(set(answers) - set(names))]
    positions = (np.array(list(map(every.index, each))) for each in (truth, answers))
    labels, given = positions
    scores = category_scores(names, labels, given, undefined=0.0)
    table = confusion_table(every, labels, given)
    assert list(scores) == list(table) == names
    for name in names:
        right, said = pairs.count((name, name)), answers.count(name)
        assert scores[name].precision == pytest.approx(right / said if said else 0.0)
        assert scores[name].recall == pytest.approx(right / truth.count(name))
    counted = {(name, said): n for name in table for said, n in table[name].items()}
    assert counted == Counter(pairs)
    assert [scores[name].images for name in names] == [truth.count(name) for name in names]


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Folders of red, green and blue pictures, six each."""
    rng = np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (tmp_path / "colours" / name).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 60, (16, 16, 3), np.uint8)
            pixels[..., channel] += 160
            Image.fromarray(pixels).save(tmp_path / "colours" / name / f"{number}.png")
    return tmp_path / "colours"


def test_without_a_head_for_the_labels_the_neighbours_answer(
    colours: Path, fake_engine: Engine
) -> None:
    report = fake_engine.evaluate(colours)
    assert report.classifier == "nearest neighbours (k=10)"
    assert (report.images, report.accuracy, report.precision_at_1) == (18, 1.0, 1.0)
    assert report.precision_at_10 == 0.5
    assert report.confusion == {name: {name: 6} for name in ("blue", "green", "red")}


def test_a_head_that_knows_every_label_answers_among_all_categories(
    colours: Path, fake_engine: Engine
) -> None:
    fake_engine.train(colours, head="colours", options=QUICK)
    report = fake_engine.evaluate(colours)
    assert report.classifier == "all"
    assert set(report.per_category) == {"red", "green", "blue"}


def test_a_head_that_is_named_answers_alone(colours: Path, fake_engine: Engine) -> None:
    fake_engine.train(colours, head="colours", options=QUICK)
    report = fake_engine.evaluate(colours, head="colours")
    assert report.classifier == "colours"
    given_names = {name for row in report.confusion.values() for name in row}
    assert given_names <= {"red", "green", "blue"}


def test_the_built_in_categories_can_be_asked_alone(colours: Path, fake_engine: Engine) -> None:
    report = fake_engine.evaluate(colours, head="imagenet")
    given_names = {name for row in report.confusion.values() for name in row}
    assert (report.classifier, report.accuracy) == ("imagenet", 0.0)
    assert given_names <= set(CATEGORIES)


def test_evaluating_makes_no_store(colours: Path, fake_engine: Engine) -> None:
    fake_engine.evaluate(colours)
    assert not fake_engine.config.store.folder.exists()


def test_a_image_that_cannot_be_read_is_skipped(colours: Path, fake_engine: Engine) -> None:
    (colours / "red" / "broken.png").write_bytes(b"nothing")
    report = fake_engine.evaluate(colours)
    assert (report.images, [Path(skip.path).name for skip in report.skipped]) == (
        18,
        ["broken.png"],
    )


def test_images_that_can_none_of_them_be_read_are_an_error(
    tmp_path: Path, fake_engine: Engine
) -> None:
    (tmp_path / "set" / "red").mkdir(parents=True)
    (tmp_path / "set" / "red" / "broken.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="none of its pictures can be read"):
        fake_engine.evaluate(tmp_path / "set")


def test_labels_can_come_from_a_table(colours: Path, fake_engine: Engine, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    lines = [f"{path},{path.stem}" for path in sorted(colours.rglob("*.png"))]
    table.write_text("\n".join(["path,label", *lines]))
    report = fake_engine.evaluate(colours, label=str(table))
    assert {name: score.images for name, score in report.per_category.items()} == {
        str(number): 3 for number in range(6)
    }


def test_an_unknown_head_is_refused(colours: Path, fake_engine: Engine) -> None:
    with pytest.raises(UsageError, match="no such head"):
        fake_engine.evaluate(colours, head="nobody")
