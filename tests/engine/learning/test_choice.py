"""A training without a word about how: what it chooses, when it does not, and what it says."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Engine, TrainOptions, UsageError
from engine.heads.head import Head
from engine.learning.data.collect import collect
from engine.learning.data.collector import TELLING, OutOfTimeError
from engine.learning.data.examples import Examples
from engine.learning.selection.views import ViewOptions, with_views
from engine.pictures.augment import view_names
from index.catalog.catalog import Catalog
from index.records import Vectors
from tests.support.spread import SpreadEmbedder

pytestmark = pytest.mark.slow


@pytest.fixture
def images(drawn: Path, tmp_path: Path) -> Path:
    """Eight renders in each of three categories: as many as ways of training are compared by."""
    for category in ("bed", "chair", "lamp"):
        folder = tmp_path / "pictures" / category
        folder.mkdir(parents=True)
        for source in sorted((drawn / category).iterdir())[:8]:
            shutil.copy2(source, folder / source.name)
    return tmp_path / "pictures"


def head_of(engine: Engine, name: str) -> Head:
    (head,) = [each for each in engine._session.heads() if each.name == name]
    return head


def same_layers(one: Head, other: Head) -> bool:
    return all(
        np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)
        for a, b in zip(one.layers, other.layers, strict=True)
    )


def test_without_options_candidates_are_compared_and_told(
    images: Path, fake_engine: Engine
) -> None:
    report = fake_engine.train(images, head="rooms", options=TrainOptions(budget=600))
    assert report.selection is not None and len(report.selection.candidates) == 6
    settings = fake_engine.report("rooms").settings
    assert settings["selection"] == report.selection.reason
    assert settings["budget"] == 600


def test_the_choice_is_the_same_where_time_is_no_limit(images: Path, fake_engine: Engine) -> None:
    options = TrainOptions(budget=600)
    for name in ("one", "other"):
        fake_engine.train(images, head=name, options=options)
    assert same_layers(head_of(fake_engine, "one"), head_of(fake_engine, "other"))


def test_fast_is_one_training_by_the_defaults(images: Path, fake_engine: Engine) -> None:
    default = TrainOptions()
    fast = fake_engine.train(images, head="fast", options=TrainOptions(fast=True))
    said = TrainOptions(epochs=default.epochs, given=("epochs",))
    plain = fake_engine.train(images, head="plain", options=said)
    assert fast.selection is None and plain.selection is None
    assert same_layers(head_of(fake_engine, "fast"), head_of(fake_engine, "plain"))


@pytest.mark.parametrize(
    "options",
    [
        TrainOptions(optimizer="lbfgs"),
        TrainOptions(epochs=3),
        TrainOptions(hidden=(4,), epochs=3),
        TrainOptions(given=("optimizer",)),
    ],
    ids=["optimizer", "epochs", "hidden", "default given"],
)
def test_who_says_how_to_train_is_not_second_guessed(
    images: Path, fake_engine: Engine, options: TrainOptions
) -> None:
    report = fake_engine.train(images, head="rooms", options=options)
    assert report.selection is None
    assert fake_engine.report("rooms").settings["optimizer"] == options.optimizer


def test_extending_a_head_chooses_nothing(images: Path, fake_engine: Engine) -> None:
    fake_engine.train(images, head="rooms", options=TrainOptions(fast=True))
    assert fake_engine.train(images, head="rooms", extend=True).selection is None


def test_the_views_that_were_asked_for_are_all_learned_from(
    images: Path, fake_engine: Engine
) -> None:
    report = fake_engine.train(images, head="rooms", views=2)
    assert report.selection is not None
    assert fake_engine.report("rooms").settings["views"] == list(view_names(2))


def test_fast_and_tune_contradict_each_other(images: Path, fake_engine: Engine) -> None:
    with pytest.raises(UsageError, match="fast and tune"):
        fake_engine.train(images, head="x", options=TrainOptions(fast=True), tune=True)


def test_a_budget_of_next_to_nothing_still_makes_a_head(images: Path, fake_engine: Engine) -> None:
    report = fake_engine.train(images, head="rooms", options=TrainOptions(budget=0.001))
    assert report.selection is not None
    assert "no time to compare" in report.selection.reason
    assert report.test_images == report.images


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Forty small pictures of each of two colours."""
    for number in range(TELLING + 16):
        folder = tmp_path / "many" / ("red" if number % 2 else "blue")
        folder.mkdir(parents=True, exist_ok=True)
        color = (200, number, 0) if number % 2 else (0, number, 200)
        Image.new("RGB", (32, 32), color).save(folder / f"{number}.png")
    return tmp_path / "many"


def test_collecting_gives_up_where_it_would_take_too_long(many: Path, fake_engine: Engine) -> None:
    fake_engine.train(many, head="rooms", options=TrainOptions(epochs=2))
    embedder = SpreadEmbedder(fake_engine.config)
    with Catalog.open(fake_engine.config.store.catalog) as catalog:
        with pytest.raises(OutOfTimeError) as caught:
            collect(str(many), embedder, catalog, views=view_names(1), seconds=0.0, keep_views=True)
        assert caught.value.seconds > 0
        # What was embedded until then need not be embedded again.
        again = collect(str(many), embedder, catalog, views=view_names(1), keep_views=True)
    assert again.embedded < len(again)


def examples(each: int, categories: int = 2) -> Examples:
    labels = np.repeat(np.arange(categories), each)
    return Examples(
        hashes=tuple(f"{number:064x}" for number in range(len(labels))),
        paths=("",) * len(labels),
        categories=tuple("abc"[:categories]),
        labels=labels,
        vectors=Vectors.of(np.eye(len(labels), 8, dtype=np.float32) + 1),
        image=np.arange(len(labels)),
        view=np.zeros(len(labels), np.int64),
    )


@pytest.mark.parametrize(("each", "categories"), [(9, 2), (40, 1)])
def test_no_views_are_drawn_where_they_help_no_head(each: int, categories: int) -> None:
    def never(count: int, seconds: float) -> Examples:
        raise AssertionError

    few = examples(each, categories)
    assert with_views(few, never, np.inf, ViewOptions()) == (few, "")


def test_views_that_take_too_long_are_left_out_and_named() -> None:
    def late(count: int, seconds: float) -> Examples:
        raise OutOfTimeError(9.0)

    plain = examples(10)
    found, told = with_views(plain, late, 0.0, ViewOptions(count=3))
    assert found is plain
    assert told == "left out for want of time: 3 drawn views of each picture"


def test_views_that_there_is_time_for_are_drawn() -> None:
    drawn = replace(examples(10), notes=("with views",))
    asked: list[int] = []

    def collected(count: int, seconds: float) -> Examples:
        asked.append(count)
        return drawn

    assert with_views(examples(10), collected, np.inf, ViewOptions(count=3)) == (drawn, "")
    assert asked == [3]
