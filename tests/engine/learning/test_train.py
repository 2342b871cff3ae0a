"""Training from pictures and labels to heads, and what becomes of the catalog's predictions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Config, Engine, Reporter, TrainOptions, UsageError
from engine.errors import StoreNotFoundError, TrainingError
from engine.heads.file import head_from_bytes, head_to_bytes
from engine.learning.data.collect import collect, collect_labelled
from engine.learning.data.examples import Examples
from engine.learning.train import background_of
from index.catalog.catalog import Catalog
from index.records import HeadRow, PredictedCategory
from index.store import Store
from tests.support.spread import SpreadEmbedder

QUICK = TrainOptions(epochs=4)
LONG_AGO = 1_600_000_000
Said = dict[str, tuple[str, float, bool]]

pytestmark = pytest.mark.slow


@pytest.fixture
def old(images: Path) -> Path:
    """The pictures, long untouched: four of bed, chair and lamp each."""
    for path in images.rglob("*.jpg"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return images


@pytest.fixture
def exact(tmp_path: Path) -> Iterator[Engine]:
    """An engine that stores embeddings unrounded, so that answers can be compared."""
    config = Config(store=Store(tmp_path / "exact"), dtype="float32")
    with Engine(config, embedder=SpreadEmbedder(config)) as engine:
        yield engine


def stored(engine: Engine) -> tuple[list[HeadRow], dict[int, PredictedCategory]]:
    """Return the heads and the predictions of an engine's catalog."""
    with Catalog.open(engine.config.store.catalog) as catalog:
        ids = [each.id for each in catalog.contents.visible()]
        return catalog.heads.all(), catalog.predictions.of(ids)


def as_classified(engine: Engine, paths: list[Path]) -> Said:
    """Return what a fresh look says of pictures."""
    return {
        answer.image: (
            answer.predictions[0].category,
            answer.predictions[0].probability,
            answer.unknown,
        )
        for answer in engine.classify(paths)
    }


def as_remembered(engine: Engine) -> Said:
    """Return what the catalog says of its images."""
    with Catalog.open(engine.config.store.catalog) as catalog:
        contents = catalog.contents.visible()
        said = catalog.predictions.of([each.id for each in contents])
    return {
        each.path: (said[each.id].category, said[each.id].probability, said[each.id].unknown)
        for each in contents
    }


def agree(one: Said, other: Said) -> None:
    assert one.keys() == other.keys()
    for path, (category, probability, unknown) in one.items():
        assert (other[path][0], other[path][2]) == (category, unknown)
        assert other[path][1] == pytest.approx(probability, abs=1e-4)


def test_a_folder_is_learned_category_by_category(old: Path, fake_engine: Engine) -> None:
    report = fake_engine.train(old, head="rooms", options=QUICK)
    assert (report.head, report.categories) == ("rooms", ("bed", "chair", "lamp"))
    assert (report.images, report.embedded, report.test_images, report.folds) == (12, 12, 12, 4)
    assert (len(report.history), report.skipped) == (4, [])
    assert [head.name for head in list(fake_engine.heads)] == ["rooms"]


def test_a_second_training_embeds_nothing(old: Path, fake_engine: Engine) -> None:
    fake_engine.train(old, head="rooms", options=QUICK)
    assert fake_engine.train(old, head="again", options=QUICK).embedded == 0


def test_images_in_the_catalog_are_not_even_opened(
    old: Path, fake_engine: Engine, opened: list[str]
) -> None:
    fake_engine.index([old])
    opened.clear()
    report = fake_engine.train(old, head="rooms", options=QUICK)
    assert (report.images, report.embedded, opened) == (12, 0, [])


def test_the_mirrored_copies_of_indexed_images_can_be_asked_for(
    old: Path, fake_engine: Engine
) -> None:
    fake_engine.index([old])
    report = fake_engine.train(old, head="rooms", options=QUICK, mirror_indexed=True)
    assert (report.images, report.embedded) == (12, 12)
    assert fake_engine.status().views == 12


def test_the_labels_of_the_catalog_can_be_learned_without_a_file_in_sight(
    old: Path, fake_engine: Engine
) -> None:
    fake_engine.index([old], label="parent")
    shutil.rmtree(old)
    report = fake_engine.train(head="rooms", from_labels=True, options=QUICK)
    assert (report.categories, report.images, report.embedded) == (("bed", "chair", "lamp"), 12, 0)


def background(engine: Engine, examples: Examples) -> int:
    """Return how many images of the catalog stand for what is none of the categories."""
    with Catalog.open(engine.config.store.catalog) as catalog:
        return len(background_of(catalog, examples, 100, 0))


def test_images_without_a_label_are_background(old: Path, fake_engine: Engine) -> None:
    fake_engine.index([old / "bed", old / "chair"], label="parent")
    fake_engine.index([old / "lamp"])
    with Catalog.open(fake_engine.config.store.catalog) as catalog:
        examples = collect_labelled(catalog)
    assert (len(examples), background(fake_engine, examples)) == (8, 4)


def test_images_labelled_with_a_new_category_are_no_background(
    old: Path, fake_engine: Engine
) -> None:
    shutil.copytree(old / "bed", old.parent / "more" / "Bed")
    for path in (old.parent / "more" / "Bed").iterdir():
        path.write_bytes(path.read_bytes() + b"\0")
    fake_engine.index([old, old.parent / "more"], label="parent")
    examples = collect(str(old), SpreadEmbedder(fake_engine.config))
    assert (len(examples), background(fake_engine, examples)) == (12, 0)


def test_of_copies_in_the_catalog_one_is_background(old: Path, fake_engine: Engine) -> None:
    shutil.copytree(old / "lamp", old.parent / "copies")
    fake_engine.index([old / "lamp", old.parent / "copies"])
    shutil.rmtree(old / "lamp")
    examples = collect(str(old), SpreadEmbedder(fake_engine.config))
    assert (fake_engine.status().images, background(fake_engine, examples)) == (8, 4)


def test_a_head_of_the_same_name_is_replaced(old: Path, fake_engine: Engine) -> None:
    fake_engine.train(old, head="rooms", options=QUICK)
    shutil.rmtree(old / "bed")
    fake_engine.train(old, head="rooms", options=QUICK)
    (head,) = list(fake_engine.heads)
    assert head.categories == ("chair", "lamp")


def test_after_training_the_catalog_says_what_a_fresh_look_says(old: Path, exact: Engine) -> None:
    exact.index([old], label="parent")
    before = as_remembered(exact)
    agree(before, as_classified(exact, sorted(old.rglob("*.jpg"))))
    exact.train(head="rooms", from_labels=True, options=QUICK)
    after = as_remembered(exact)
    agree(after, as_classified(exact, sorted(old.rglob("*.jpg"))))
    assert before != after


def test_images_that_are_missing_are_classified_anew_as_well(old: Path, exact: Engine) -> None:
    exact.index([old], label="parent")
    shutil.move(old / "bed", old.parent / "away")
    exact.index([old])
    exact.train(head="rooms", from_labels=True, options=QUICK)
    shutil.move(old.parent / "away", old / "bed")
    assert exact.index([old]).came_back == 4
    agree(as_remembered(exact), as_classified(exact, sorted(old.rglob("*.jpg"))))


def test_deleting_the_head_brings_old_predictions_back_without_the_files(
    old: Path, exact: Engine
) -> None:
    exact.index([old], label="parent")
    before = as_remembered(exact)
    shutil.rmtree(old)
    exact.train(head="rooms", from_labels=True, options=QUICK)
    sources = {said.source for said in stored(exact)[1].values()}
    exact.heads.delete("rooms")
    agree(as_remembered(exact), before)
    assert sources != {said.source for said in stored(exact)[1].values()} == {"imagenet"}


def test_images_indexed_after_training_are_classified_with_the_head(
    old: Path, exact: Engine
) -> None:
    exact.train(old, head="rooms", options=QUICK)
    exact.index([old])
    agree(as_remembered(exact), as_classified(exact, sorted(old.rglob("*.jpg"))))


def test_a_single_category_can_be_learned(old: Path, fake_engine: Engine) -> None:
    shutil.rmtree(old / "bed")
    shutil.rmtree(old / "chair")
    report = fake_engine.train(old, head="lamps", options=QUICK)
    assert (report.categories, report.images) == (("lamp",), 4)
    image = next((old / "lamp").iterdir())
    (answer,) = fake_engine.classify(image, head="lamps")
    assert [(each.category, each.probability) for each in answer.predictions] == [("lamp", 1.0)]


def test_the_same_seed_gives_the_same_head_but_for_its_times(
    old: Path, fake_engine: Engine
) -> None:
    def trained(seed: int) -> bytes:
        options = TrainOptions(epochs=4, seed=seed)
        fake_engine.train(old, head="rooms", options=options)
        head = head_from_bytes(stored(fake_engine)[0][0].file, "rooms")
        assert head.record is not None
        return head_to_bytes(replace(head, created_at="", record=replace(head.record, seconds={})))

    first = trained(0)  # from pictures; the second from the embeddings that were kept
    assert first == trained(0)
    assert first != trained(1)


@pytest.mark.parametrize("left", [0, 1])
def test_a_category_with_too_few_images_is_an_error_and_changes_nothing(
    old: Path, fake_engine: Engine, left: int
) -> None:
    fake_engine.index([old], label="parent")
    fake_engine.train(old, head="rooms", options=QUICK)
    before = stored(fake_engine)
    for path in sorted((old / "bed").iterdir())[left:]:
        path.write_bytes(b"broken")
    with pytest.raises(TrainingError, match=f"the category 'bed' has {left} usable picture"):
        fake_engine.train(old, head="rooms", options=QUICK)
    assert stored(fake_engine) == before


def test_a_broken_image_is_skipped_and_the_others_are_learned(
    old: Path, fake_engine: Engine
) -> None:
    (old / "bed" / "broken.jpg").write_bytes(b"broken")
    report = fake_engine.train(old, head="rooms", options=QUICK)
    assert report.images == 12
    assert [os.path.basename(skip.path) for skip in report.skipped] == ["broken.jpg"]


def test_a_folder_that_is_missing_is_an_error_and_makes_no_store(
    old: Path, fake_engine: Engine
) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        fake_engine.train(old / "gone", head="rooms")
    assert not fake_engine.config.store.folder.exists()


def test_labels_that_are_not_there_are_an_error(old: Path, fake_engine: Engine) -> None:
    with pytest.raises(StoreNotFoundError):
        fake_engine.train(head="rooms", from_labels=True)
    fake_engine.index([old])
    with pytest.raises(TrainingError, match="no image in the catalog has a label"):
        fake_engine.train(head="rooms", from_labels=True)


def test_a_folder_and_labels_together_are_refused(old: Path, fake_engine: Engine) -> None:
    with pytest.raises(UsageError, match="from a folder, from labels or from judgements"):
        fake_engine.train(old, head="rooms", from_labels=True)
    with pytest.raises(UsageError, match="from a folder, from labels or from judgements"):
        fake_engine.train(head="rooms")


@pytest.mark.parametrize("name", ["imagenet", "all", "a/b", ""])
def test_a_name_that_no_head_can_have_is_refused_first(
    old: Path, fake_engine: Engine, name: str
) -> None:
    with pytest.raises(UsageError):
        fake_engine.train(old, head=name)
    assert not fake_engine.config.store.folder.exists()


class Listener(Reporter):
    """Notes progress."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int | None]] = []

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Note it."""
        self.told.append((task, done, total))


def test_progress_runs_to_its_end(old: Path, tmp_path: Path) -> None:
    config, heard = Config(store=Store(tmp_path / "store")), Listener()
    with Engine(config, heard, embedder=SpreadEmbedder(config)) as engine:
        engine.train(old, head="rooms", options=QUICK)
    for task in ("embedding", "training"):
        steps = [(done, total) for name, done, total in heard.told if name == task]
        assert steps == sorted(steps, key=lambda step: step[0])
        assert steps[-1][0] == steps[-1][1]


def test_an_empty_category_folder_is_named(fake_engine: Engine, images: Path) -> None:
    (images / "table").mkdir()
    with pytest.raises(TrainingError, match="'table' has 0 usable"):
        fake_engine.train(images, head="mine")
