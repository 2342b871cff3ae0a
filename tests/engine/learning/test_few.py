"""Few pictures of each category: when the catalog helps, when it does not, and what is said."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Engine, TrainOptions
from engine.errors import TrainingError
from engine.heads.file import head_from_bytes, head_to_bytes
from engine.heads.head import find_head

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of each of two kinds, and fourteen more of each in a folder beside."""
    rng = np.random.default_rng(0)
    for number in range(32):
        kind = "dark" if number % 2 else "light"
        path = tmp_path / ("catalog" if number >= 4 else "few") / kind / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Coarse enough for the fake backbone, to which noise is a plain grey.
        blocks = rng.integers(0, 170, (4, 4, 3)) + (0 if kind == "dark" else 86)
        Image.fromarray(blocks.astype(np.uint8)).resize((64, 64), Image.Resampling.NEAREST).save(
            path
        )
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return tmp_path


@pytest.fixture
def indexed(folder: Path, fake_engine: Engine) -> Engine:
    """An engine whose catalog has pictures without a label."""
    fake_engine.index([folder / "catalog"])
    return fake_engine


def test_pictures_without_a_label_help_and_are_told(folder: Path, indexed: Engine) -> None:
    report = indexed.train(folder / "few", head="shades")
    assert 0 < report.unlabelled <= 28
    (note,) = [each for each in report.notes if "without a label helped" in each]
    assert f"{report.unlabelled:,} pictures" in note and "--no-unlabelled" in note
    assert indexed.report("shades").settings["unlabelled"] == report.unlabelled
    assert report.test_images == 4


def test_the_head_is_one_like_any_other(folder: Path, indexed: Engine) -> None:
    indexed.train(folder / "few", head="shades")
    head = find_head(indexed._session.heads(), "shades")
    again = head_from_bytes(head_to_bytes(head), "a file")
    assert [layer.weight.shape[0] for layer in again.layers] == [2]
    shutil.rmtree(folder / "catalog")
    (answer,) = indexed.classify([folder / "few" / "dark" / "1.png"], head="shades")
    assert answer.predictions[0].category in ("dark", "light")


@pytest.mark.parametrize(
    "options",
    [TrainOptions(unlabelled=False), TrainOptions(fast=True), TrainOptions(epochs=3)],
    ids=["left out", "fast", "said how"],
)
def test_they_are_left_out_where_that_is_said(
    folder: Path, indexed: Engine, options: TrainOptions
) -> None:
    report = indexed.train(folder / "few", head="shades", options=options)
    assert report.unlabelled == 0
    assert not any("without a label" in note for note in report.notes)


def test_without_any_index_few_pictures_are_learned_all_the_same(
    folder: Path, fake_engine: Engine
) -> None:
    assert fake_engine.train(folder / "few", head="shades").unlabelled == 0


def same_layers(engine: Engine, one: str, other: str) -> bool:
    heads = engine._session.heads()
    layers = [find_head(heads, name).layers for name in (one, other)]
    return all(
        np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)
        for a, b in zip(*layers, strict=True)
    )


def test_without_their_help_few_pictures_are_trained_by_the_defaults(
    folder: Path, indexed: Engine
) -> None:
    report = indexed.train(folder / "few", head="few", options=TrainOptions(unlabelled=False))
    indexed.train(folder / "few", head="fast", options=TrainOptions(fast=True))
    assert report.selection is None
    assert any("fewer than 8 pictures" in note for note in report.notes)
    assert same_layers(indexed, "few", "fast")


def test_of_two_very_unequal_categories_the_catalog_is_not_asked(
    folder: Path, indexed: Engine
) -> None:
    for path in sorted((folder / "catalog" / "dark").iterdir())[:4]:
        shutil.copy(path, folder / "few" / "dark")
    report = indexed.train(folder / "few", head="few")
    indexed.train(folder / "few", head="fast", options=TrainOptions(fast=True))
    assert report.unlabelled == 0
    assert same_layers(indexed, "few", "fast")


def test_pictures_that_are_trained_on_do_not_help_themselves(
    folder: Path, fake_engine: Engine
) -> None:
    fake_engine.index([folder / "few"])
    assert fake_engine.train(folder / "few", head="shades").unlabelled == 0


def test_of_many_pictures_a_category_the_catalog_is_not_asked(
    folder: Path, fake_engine: Engine
) -> None:
    fake_engine.index([folder / "few"])
    assert fake_engine.train(folder / "catalog", head="shades").unlabelled == 0


def test_the_labels_of_the_catalog_spread_to_the_rest_of_it(folder: Path, indexed: Engine) -> None:
    indexed.index([folder / "few"], label="parent")
    report = indexed.train(head="shades", from_labels=True)
    assert (report.images, report.embedded) == (4, 0)
    assert report.unlabelled > 0


def test_a_single_picture_is_learned_where_that_is_asked_for(folder: Path, indexed: Engine) -> None:
    for kind in ("dark", "light"):
        for path in sorted((folder / "few" / kind).iterdir())[1:]:
            path.unlink()
    with pytest.raises(TrainingError, match="usable picture"):
        indexed.train(folder / "few", head="shades")
    report = indexed.train(folder / "few", head="shades", min_images=1)
    assert (report.images, report.test_images) == (2, 0)
