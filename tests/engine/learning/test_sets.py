"""Sets instead of one answer, from training to `Engine.classify`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Engine, TrainOptions, UsageError
from engine.errors import HeadError
from engine.heads.file import head_from_bytes, head_to_bytes
from engine.heads.head import Head
from index.catalog.catalog import Catalog
from index.store import Store
from tests.support.shop import NotingReporter
from tests.support.spread import SpreadEmbedder

QUICK = TrainOptions(epochs=8)

pytestmark = pytest.mark.slow


@pytest.fixture
def told() -> NotingReporter:
    """What the engine announced."""
    return NotingReporter()


@pytest.fixture
def shop(tmp_path: Path, told: NotingReporter, drawn: Path) -> Iterator[Engine]:
    """An engine whose head knows five kinds of drawn furniture by twelve pictures each."""
    config = Config(store=Store(tmp_path / "store"))
    with Engine(config, told, embedder=SpreadEmbedder(config)) as engine:
        engine.train(drawn, head="furniture", options=QUICK)
        yield engine


def head_of(engine: Engine) -> Head:
    with Catalog.open(engine.config.store.catalog) as catalog:
        (row,) = catalog.heads.all()
    return head_from_bytes(row.file, row.name)


def probabilities_of(engine: Engine) -> list[float]:
    record = head_of(engine).record
    assert record is not None and record.label_probability is not None
    found: list[float] = record.label_probability.tolist()
    return found


def test_a_head_notes_what_each_test_picture_gave_its_label(shop: Engine) -> None:
    found = probabilities_of(shop)
    assert found == sorted(found)
    record = head_of(shop).record
    assert record is not None and record.answers is not None
    # One of the renders counts as a copy of another.
    assert len(found) == len(record.answers.labels) - 1 == 59
    # Where the likeliest category is the label, that is its confidence.
    right = record.answers.counted == record.answers.labels
    assert len(set(record.answers.confidence[right].tolist()) - set(found)) <= 1


def test_copies_of_a_picture_count_once(fake_engine: Engine, images: Path) -> None:
    for path in sorted(images.rglob("*.jpg")):
        shutil.copy2(path, path.with_name(f"copy-{path.name}"))
    fake_engine.train(images, head="furniture", options=QUICK)
    assert len(probabilities_of(fake_engine)) == 12


def test_a_set_holds_every_category_that_is_likely_enough(shop: Engine, drawn: Path) -> None:
    known = np.array(probabilities_of(shop), np.float32)
    # Of 59 pictures 54 must have as much: 0.9 of 60.
    least = known[59 - 54]
    answers = shop.classify(sorted(drawn.rglob("*.jpg")), k=5, head="furniture", coverage=0.9)
    for answer in answers:
        assert answer.coverage == 0.9
        likely = [each.category for each in answer.predictions if each.probability >= least]
        assert list(answer.set or ()) == likely


def test_without_a_coverage_there_is_no_set(shop: Engine, drawn: Path) -> None:
    (answer,) = shop.classify(drawn / "bed" / "bed-0001.jpg", head="furniture")
    assert (answer.set, answer.coverage) == (None, None)


def test_too_few_pictures_for_a_coverage_are_told_and_leave_nothing_out(
    shop: Engine, drawn: Path, told: NotingReporter
) -> None:
    told.announced.clear()
    (answer,) = shop.classify(drawn / "bed" / "bed-0001.jpg", head="furniture", coverage=0.99)
    assert sorted(answer.set or ()) == ["bed", "chair", "lamp", "sofa", "table"]
    (text,) = told.announced
    assert "0.99 takes 99 held-out pictures" in text and "calibrated by 59" in text


@pytest.mark.parametrize("head", [None, "all", "imagenet"])
def test_a_coverage_without_a_head_is_refused_and_says_why(
    shop: Engine, drawn: Path, head: str | None
) -> None:
    with pytest.raises(UsageError, match="promise"):
        shop.classify(drawn / "bed" / "bed-0001.jpg", head=head, coverage=0.9)


@pytest.mark.parametrize("coverage", [0, 1, 1.5, -0.5, float("nan"), "0.9", True])
def test_a_coverage_that_cannot_be_is_refused(shop: Engine, drawn: Path, coverage: float) -> None:
    with pytest.raises(UsageError, match="out of range"):
        shop.classify(drawn / "bed" / "bed-0001.jpg", head="furniture", coverage=coverage)


def test_a_head_of_an_older_release_answers_but_promises_nothing(
    shop: Engine, drawn: Path, tmp_path: Path
) -> None:
    head = head_of(shop)
    assert head.record is not None
    older = replace(head, name="older", record=replace(head.record, label_probability=None))
    (tmp_path / "older.safetensors").write_bytes(head_to_bytes(older))
    shop.heads.add(tmp_path / "older.safetensors")
    picture = drawn / "bed" / "bed-0001.jpg"
    assert shop.classify(picture, head="older")[0].predictions
    with pytest.raises(HeadError, match="Train it again"):
        shop.classify(picture, head="older", coverage=0.9)


def test_a_head_from_elsewhere_keeps_its_promise(shop: Engine, drawn: Path, tmp_path: Path) -> None:
    shop.heads.export("furniture", tmp_path / "furniture.safetensors")
    config = Config(store=Store(tmp_path / "other"))
    with Engine(config, embedder=SpreadEmbedder(config)) as other:
        other.index([drawn / "bed"])
        other.heads.add(tmp_path / "furniture.safetensors")
        for picture in sorted(drawn.rglob("*.jpg"))[::7]:
            asked = {"head": "furniture", "coverage": 0.9}
            assert other.classify(picture, **asked) == shop.classify(picture, **asked)  # type: ignore[arg-type]
