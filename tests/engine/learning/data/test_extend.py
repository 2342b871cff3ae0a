"""Heads that learn more later, from embeddings that are there already."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Config, Engine, TrainOptions
from engine.errors import TrainingError, UnknownHeadError
from engine.heads.file import head_from_bytes
from engine.heads.head import Head
from engine.heads.record import Answers, Learned
from engine.learning.data.split import SplitOptions, measuring_splits
from index.catalog.catalog import Catalog
from index.store import Store
from tests.support.spread import SpreadEmbedder

EXACT = TrainOptions(optimizer="lbfgs", weight_decay=1.0, epochs=500, validation=0.25)

pytestmark = pytest.mark.slow


@pytest.fixture
def parts(images: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two folders: bed and chair, and lamp alone."""
    later = tmp_path / "later"
    later.mkdir()
    shutil.move(images / "lamp", later / "lamp")
    return images, later


def head_of(engine: Engine, name: str) -> Head:
    with Catalog.open(engine.config.store.catalog) as catalog:
        (row,) = (each for each in catalog.heads.all() if each.name == name)
    return head_from_bytes(row.file, name)


def test_a_category_is_added_though_the_old_images_are_gone(
    parts: tuple[Path, Path], fake_engine: Engine
) -> None:
    first, later = parts
    fake_engine.train(first, head="rooms", options=EXACT)
    shutil.rmtree(first)

    report = fake_engine.train(later, head="rooms", options=EXACT, extend=True)

    assert report.categories == ("bed", "chair", "lamp")
    assert (report.images, report.embedded) == (12, 4)
    assert not any("not in this store" in note for note in report.notes)


def test_a_head_extended_is_the_head_trained_on_everything_at_once(
    parts: tuple[Path, Path], fake_engine: Engine, tmp_path: Path
) -> None:
    first, later = parts
    fake_engine.train(first, head="rooms", options=EXACT)
    fake_engine.train(later, head="rooms", options=EXACT, extend=True)
    everything = tmp_path / "everything"
    shutil.copytree(first, everything)
    shutil.copytree(later, everything, dirs_exist_ok=True)
    fake_engine.train(everything, head="all-rooms", options=EXACT)

    one, other = head_of(fake_engine, "rooms"), head_of(fake_engine, "all-rooms")
    (mine,), (theirs,) = one.layers, other.layers
    assert np.allclose(mine.weight, theirs.weight, atol=1e-3 * np.abs(theirs.weight).max())
    # The gate stops a little before its minimum, and rows stand in another order.
    assert np.corrcoef(one.gate.weight.ravel(), other.gate.weight.ravel())[0, 1] > 0.98


def test_a_head_can_be_extended_again_and_again(
    parts: tuple[Path, Path], fake_engine: Engine, tmp_path: Path
) -> None:
    first, later = parts
    (tmp_path / "second").mkdir()
    shutil.move(first / "chair", tmp_path / "second" / "chair")
    fake_engine.train(first, head="rooms", options=EXACT)
    fake_engine.train(tmp_path / "second", head="rooms", options=EXACT, extend=True)

    report = fake_engine.train(later, head="rooms", options=EXACT, extend=True)

    assert (report.categories, report.images) == (("bed", "chair", "lamp"), 12)


def test_more_images_of_a_known_category_join_the_old_ones(
    parts: tuple[Path, Path], fake_engine: Engine
) -> None:
    first, later = parts
    fake_engine.train(first, head="rooms", options=EXACT)
    (later / "lamp").rename(later / "bed")

    report = fake_engine.train(later, head="rooms", options=EXACT, extend=True)

    assert (report.categories, report.images) == (("bed", "chair"), 12)


def test_an_image_given_again_under_another_name_changes_its_category(
    parts: tuple[Path, Path], fake_engine: Engine
) -> None:
    first, later = parts
    fake_engine.train(first, head="rooms", options=EXACT)
    shutil.rmtree(later / "lamp")
    (later / "stool").mkdir()
    for image in sorted((first / "chair").iterdir())[:2]:
        shutil.copy2(image, later / "stool")

    report = fake_engine.train(later, head="rooms", options=EXACT, extend=True)
    learned = head_of(fake_engine, "rooms").record
    assert learned is not None and learned.learned is not None

    assert report.images == 8
    assert np.bincount(learned.learned.labels).tolist() == [4, 2, 2]


def test_images_of_the_catalog_are_found_again_there(
    images: Path, fake_engine: Engine, tmp_path: Path
) -> None:
    fake_engine.index([images], label="parent")
    fake_engine.train(head="rooms", from_labels=True, options=EXACT)
    more = tmp_path / "more" / "stool"
    more.mkdir(parents=True)
    for number, image in enumerate(sorted((images / "chair").iterdir())[:2]):
        (more / f"{number}.jpg").write_bytes(image.read_bytes() + b"\0")

    report = fake_engine.train(more.parent, head="rooms", options=EXACT, extend=True)

    assert report.categories == ("bed", "chair", "lamp", "stool")
    assert report.images == 14


def test_a_head_whose_embeddings_are_elsewhere_cannot_be_extended(
    parts: tuple[Path, Path], fake_engine: Engine, tmp_path: Path
) -> None:
    first, later = parts
    fake_engine.train(first, head="rooms", options=EXACT)
    fake_engine.heads.export("rooms", tmp_path / "rooms.safetensors")
    config = type(fake_engine.config).at(tmp_path / "other")
    with Engine(config, embedder=SpreadEmbedder(config)) as other:
        other.index([later])
        other.heads.add(tmp_path / "rooms.safetensors")

        with pytest.raises(TrainingError, match="none of the 8 embeddings") as caught:
            other.train(later, head="rooms", options=EXACT, extend=True)

        assert "in the store where it was trained" in caught.value.remedy
        assert other.heads["rooms"].categories == ("bed", "chair")


def test_a_head_that_is_not_there_cannot_be_extended(
    parts: tuple[Path, Path], fake_engine: Engine
) -> None:
    fake_engine.train(parts[0], head="rooms", options=EXACT)
    with pytest.raises(UnknownHeadError):
        fake_engine.train(parts[1], head="shop", options=EXACT, extend=True)


def test_a_category_that_differs_from_a_known_one_in_case_alone_is_that_one(
    parts: tuple[Path, Path], fake_engine: Engine
) -> None:
    first, later = parts
    fake_engine.train(first, head="rooms", options=EXACT)
    (later / "lamp").rename(later / "Bed")
    report = fake_engine.train(later, head="rooms", options=EXACT, extend=True)
    assert (report.categories, report.images) == (("bed", "chair"), 12)


def test_the_report_of_an_extended_head_still_shows_its_first_images(
    parts: tuple[Path, Path], fake_engine: Engine
) -> None:
    first, later = parts
    fake_engine.train(first, head="rooms", options=EXACT)
    fake_engine.train(later, head="rooms", options=EXACT, extend=True)

    report = fake_engine.report("rooms")

    assert report.data == f"{first}, then {later}"
    shown = {Path(each.path) for each in report.shown}
    assert {path.parent.name for path in shown} == {"bed", "chair", "lamp"}
    assert all(path.is_file() for path in shown)


def answers_after(first: Path, later: Path, store: Path) -> tuple[Answers, Learned]:
    """Train on a folder, extend by another, and return answers and what was learned from."""
    config = Config(store=Store(store))
    with Engine(config, embedder=SpreadEmbedder(config)) as engine:
        engine.train(first, head="rooms", options=EXACT)
        engine.train(later, head="rooms", options=EXACT, extend=True)
        record = head_of(engine, "rooms").record
    assert record is not None and record.answers is not None and record.learned is not None
    return record.answers, record.learned


def test_an_answer_does_not_depend_on_other_test_images_of_its_fold(
    parts: tuple[Path, Path], tmp_path: Path
) -> None:
    first, later = parts
    before, learned = answers_after(first, later, tmp_path / "one")
    groups = np.arange(len(learned.labels))
    splits = measuring_splits(learned.labels, groups, EXACT.validation, SplitOptions(), EXACT.seed)
    # The images added come first: this one shows something else, under the same name.
    changed = Path(learned.paths[0])
    assert changed.is_relative_to(later)
    Image.effect_noise((32, 32), 100).convert("RGB").save(changed)
    after, again = answers_after(first, later, tmp_path / "other")
    assert again.paths == learned.paths

    (fold,) = (split.test for split in splits if 0 in split.test)
    others = [image for image in fold.tolist() if image]
    for name in ("answers", "confidence", "raw_confidence"):
        assert getattr(before, name)[others].tolist() == getattr(after, name)[others].tolist()
    elsewhere = np.setdiff1d(groups, fold)
    assert (before.raw_confidence[elsewhere] != after.raw_confidence[elsewhere]).any()
    assert sorted(image for split in splits for image in split.test) == groups.tolist()
