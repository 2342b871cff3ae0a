"""Training on drawn furniture with the embedded backbone: how good it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Classification, Config, Engine
from index.store import Store

FURNITURE = ("bed", "chair", "sofa")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def parts(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn pictures, eight of each category below `train`, four below `test`."""
    folder = tmp_path_factory.mktemp("parts")
    for category in sorted(drawn.iterdir()):
        for number, path in enumerate(sorted(category.iterdir())):
            place = folder / ("train" if number < 8 else "test") / category.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place / path.name)
    return folder


@pytest.fixture(scope="module")
def engine(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that learned all five categories."""
    store = Store(tmp_path_factory.mktemp("all") / "store")
    with Engine(Config(store=store, backbone="efficientnet_lite0")) as engine:
        engine.train(parts / "train", head="rooms")
        yield engine


@pytest.fixture(scope="module")
def furniture(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that learned beds, chairs and sofas, and no lamps."""
    folder = tmp_path_factory.mktemp("some")
    for category in FURNITURE:
        shutil.copytree(parts / "train" / category, folder / "train" / category)
    store = Store(folder / "store")
    with Engine(Config(store=store, backbone="efficientnet_lite0")) as engine:
        engine.train(folder / "train", head="furniture")
        yield engine


def answers(engine: Engine, parts: Path, category: str, head: str | None) -> list[Classification]:
    return engine.classify(sorted((parts / "test" / category).iterdir()), k=5, head=head)


def test_new_images_are_classified_by_the_head(engine: Engine, parts: Path) -> None:
    assert engine.evaluate(parts / "test", head="rooms").accuracy >= 0.9


def test_new_images_are_classified_among_all_categories(engine: Engine, parts: Path) -> None:
    report = engine.evaluate(parts / "test")
    assert report.classifier == "all"
    assert report.accuracy >= 0.9


def test_images_of_other_things_keep_their_built_in_answers(furniture: Engine, parts: Path) -> None:
    before = answers(furniture, parts, "lamp", "imagenet")
    after = answers(furniture, parts, "lamp", None)
    assert {answer.category for answer in before} == {"table lamp"}
    for one, other in zip(before, after, strict=True):
        assert (other.category, other.predictions[0].source) == ("table lamp", "imagenet")
        least = one.predictions[0].probability - 0.05
        assert other.predictions[0].probability >= least


def test_what_does_not_belong_is_unknown_to_the_head(furniture: Engine, parts: Path) -> None:
    assert all(answer.unknown for answer in answers(furniture, parts, "lamp", "furniture"))


@pytest.mark.parametrize("category", FURNITURE)
def test_what_belongs_is_known_to_the_head(furniture: Engine, parts: Path, category: str) -> None:
    found = [answer.category for answer in answers(furniture, parts, category, "furniture")]
    assert found.count(category) >= 3


def test_the_index_of_a_catalog_of_renders_finds_its_own_kind(engine: Engine, drawn: Path) -> None:
    engine.index([drawn], label="parent")
    report = engine.evaluate(drawn)
    assert report.precision_at_1 >= 0.85
    counts = engine.status().categories
    assert sum(counts.get(path.name, 0) for path in drawn.iterdir()) >= 54
