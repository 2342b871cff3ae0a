"""Evaluating a labelled data set, from images to figures."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Config, Engine, TrainOptions, UsageError
from engine.errors import StoreNotFoundError
from engine.heads.exchange import read_head, write_head
from engine.learning.data.collect import ANY, collect
from engine.learning.data.learned import learned_images
from engine.testing import CATEGORIES, FakeEmbedder

QUICK = TrainOptions(epochs=5)


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
    # Five others of each colour are all that can be found.
    assert report.precision_at_10 == 1.0
    assert report.confusion == {name: {name: 6} for name in ("blue", "green", "red")}


@pytest.mark.slow
def test_a_head_that_knows_every_label_answers_among_all_categories(
    colours: Path, fake_engine: Engine
) -> None:
    fake_engine.train(colours, head="colours", options=QUICK)
    report = fake_engine.evaluate(colours)
    assert report.classifier == "all"
    assert set(report.per_category) == {"red", "green", "blue"}


@pytest.mark.slow
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


@pytest.mark.slow
def test_labels_are_categories_whatever_their_case(colours: Path, fake_engine: Engine) -> None:
    fake_engine.train(colours, head="colours", options=QUICK)
    before = fake_engine.evaluate(colours, head="colours").accuracy
    (colours / "red").rename(colours / "RED")
    report = fake_engine.evaluate(colours)
    assert (report.classifier, set(report.per_category)) == ("all", {"RED", "blue", "green"})
    assert fake_engine.evaluate(colours, head="colours").accuracy == before


def test_rows_of_labels_that_no_image_used_are_reported(
    colours: Path, fake_engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text("path,label\ncolours/red/0.png,red\nnone.png,red\n")
    report = fake_engine.evaluate(colours, label=str(tmp_path / "labels.csv"))
    assert (report.images, [row.path for row in report.unused_labels]) == (1, ["none.png"])


def test_a_store_that_was_named_must_be_there(colours: Path, tmp_path: Path) -> None:
    config = Config.at(tmp_path / "none")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        for ask in (engine.evaluate, engine.classify, lambda _: list(engine.heads)):
            with pytest.raises(StoreNotFoundError, match="engine index FOLDER"):
                ask(str(colours))


def test_evaluating_makes_no_store(colours: Path, fake_engine: Engine) -> None:
    fake_engine.evaluate(colours)
    assert not fake_engine.config.store.folder.exists()


def test_an_image_that_cannot_be_read_is_skipped(colours: Path, fake_engine: Engine) -> None:
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


def taken(folder: Path, *names: str) -> Path:
    """Return a data set of these pictures of each colour alone, copied from another."""
    target = folder.parent / "taken"
    for colour in folder.iterdir():
        (target / colour.name).mkdir(parents=True)
        for name in names:
            shutil.copy(colour / name, target / colour.name)
    return target


def test_copies_of_an_image_are_no_evidence(tmp_path: Path, fake_engine: Engine) -> None:
    """All that could be found for a picture is the same picture, as it is or saved larger."""
    rng = np.random.default_rng(0)
    for label in ("one", "two", "three"):
        folder = tmp_path / "set" / label
        folder.mkdir(parents=True)
        image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
        image.save(folder / "image.png")
        shutil.copy(folder / "image.png", folder / "copy.png")
        image.resize((32, 32), Image.Resampling.NEAREST).save(folder / "large.png")
    report = fake_engine.evaluate(tmp_path / "set")
    assert (report.images, report.copies, report.accuracy) == (9, 6, 0.0)
    assert np.isnan([report.precision_at_1, report.precision_at_10, report.map]).all()


@pytest.mark.slow
def test_images_that_the_head_learned_from_are_counted_and_left_out(
    colours: Path, fake_engine: Engine
) -> None:
    learned = taken(colours, "0.png", "1.png", "2.png")
    fake_engine.train(learned, head="colours", options=TrainOptions(optimizer="lbfgs"))
    # Two of the others are of another colour than their folder's.
    for name in ("3.png", "4.png"):
        shutil.copy(colours / "blue" / "5.png", colours / "red" / name)
    report = fake_engine.evaluate(colours, head="colours")
    assert (report.images, report.learned) == (18, 9)
    assert report.accuracy == pytest.approx(16 / 18)
    assert report.accuracy_without_learned == pytest.approx(7 / 9)


@pytest.mark.slow
def test_copies_of_what_the_head_learned_from_are_no_others(
    tmp_path: Path, fake_engine: Engine
) -> None:
    rng = np.random.default_rng(0)
    for label in ("one", "two"):
        for part in ("train", "test"):
            (tmp_path / part / label).mkdir(parents=True)
        for number in range(4):
            image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
            image.save(tmp_path / "train" / label / f"{number}.png")
            image.resize((32, 32), Image.Resampling.NEAREST).save(
                tmp_path / "test" / label / f"{number}.png"
            )
        new = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
        new.save(tmp_path / "test" / label / "new.png")
    fake_engine.train(tmp_path / "train", head="two", options=QUICK)
    report = fake_engine.evaluate(tmp_path / "test", head="two")
    assert (report.images, report.learned, report.copies) == (10, 8, 0)
    session = fake_engine._session
    catalog, embedder = session.catalog(), session.embedder()
    examples = collect(str(tmp_path / "test"), embedder, catalog, requirements=ANY)
    for most, number in ((8, 8), (7, 0)):
        learned = learned_images(
            examples, session.heads(), embedder.backbone, catalog, most_compared=most
        )
        assert learned is not None
        assert learned.sum() == number


@pytest.mark.slow
def test_where_all_images_were_learned_from_there_is_no_accuracy_of_others(
    colours: Path, fake_engine: Engine
) -> None:
    fake_engine.train(colours, head="colours", options=QUICK)
    for head in ("colours", "all", None):
        report = fake_engine.evaluate(colours, head=head)
        assert report.learned == report.images == 18
        assert math.isnan(report.accuracy_without_learned)


@pytest.mark.slow
def test_what_does_not_answer_has_learned_from_nothing(colours: Path, fake_engine: Engine) -> None:
    fake_engine.train(colours, head="colours", options=QUICK)
    report = fake_engine.evaluate(colours, head="imagenet")
    assert (report.learned, report.accuracy_without_learned) == (0, report.accuracy)


@pytest.mark.slow
def test_of_a_head_of_an_older_release_it_is_not_known_what_it_learned_from(
    colours: Path, fake_engine: Engine, tmp_path: Path
) -> None:
    fake_engine.train(colours, head="colours", options=QUICK)
    fake_engine.heads.export("colours", tmp_path / "colours.safetensors")
    fake_engine.heads.delete("colours")
    old = replace(read_head(tmp_path / "colours.safetensors"), record=None)
    write_head(old, tmp_path / "old.safetensors")
    fake_engine.heads.add(tmp_path / "old.safetensors")
    report = fake_engine.evaluate(colours, head="colours")
    assert report.learned is None
    assert math.isnan(report.accuracy_without_learned)
