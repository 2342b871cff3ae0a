"""Which categories of a data set are collected, and what is refused before anything is embedded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine import Engine
from engine.errors import TrainingError
from engine.learning.data.collect import ANY, collect, collect_labelled
from engine.learning.data.examples import Examples
from engine.learning.data.requirements import Requirements
from engine.pictures.preprocess import Pixels
from index.catalog.catalog import Catalog
from index.records import Vectors
from tests.support.spread import SpreadEmbedder


class NoNetwork(SpreadEmbedder):
    """An embedder that must not be asked."""

    def embed(self, inputs: Sequence[Pixels]) -> Vectors:
        """Fail."""
        raise AssertionError("something was embedded")


def collected(engine: Engine, dataset: Path, requirements: Requirements | None = None) -> Examples:
    return collect(str(dataset), SpreadEmbedder(engine.config), requirements=requirements)


@pytest.fixture
def catalog(fake_engine: Engine) -> Iterator[Catalog]:
    """A catalog with nothing in it."""
    store = fake_engine.config.store
    store.make()
    with Catalog.create(store.catalog, SpreadEmbedder(fake_engine.config).identity) as catalog:
        yield catalog


@pytest.fixture
def trouble(images: Path) -> Path:
    """A data set with one good category, three that are too small, and a name in two cases."""
    for path in sorted((images / "chair").iterdir())[1:]:
        path.unlink()
    for path in (images / "lamp").iterdir():
        path.write_bytes(b"nothing")
    (images / "sofa").mkdir()
    shutil.copytree(images / "bed", images / "Bed")
    return images


def test_all_that_is_wrong_is_told_at_once_before_anything_is_embedded(
    fake_engine: Engine, trouble: Path
) -> None:
    with pytest.raises(TrainingError) as caught:
        collect(str(trouble), NoNetwork(fake_engine.config))
    for part in (
        "the category 'chair' has 1 usable picture",
        "the category 'lamp' has 0 usable pictures of 4 (",
        "the category 'sofa' has 0 usable pictures",
    ):
        assert part in caught.value.reason


def test_small_categories_are_left_out_and_named(fake_engine: Engine, trouble: Path) -> None:
    shutil.rmtree(trouble / "Bed")
    examples = collected(fake_engine, trouble, requirements=Requirements(min_images=3))
    assert (examples.categories, len(examples)) == (("bed",), 4)
    [note] = examples.notes
    assert note.endswith("fewer than 3 usable pictures: chair (1), lamp (0), sofa (0)")


def test_a_category_that_proves_too_small_when_all_is_opened_is_left_out(
    fake_engine: Engine, images: Path
) -> None:
    sorted((images / "bed").iterdir())[-1].write_bytes(b"nothing")
    examples = collected(fake_engine, images, requirements=Requirements(min_images=4))
    assert examples.categories == ("chair", "lamp")
    assert examples.notes == ("left out, with fewer than 4 usable pictures: bed (3)",)
    assert len(examples.skipped) == 1


def test_a_category_of_damaged_images_and_two_good_ones_is_enough(
    fake_engine: Engine, images: Path
) -> None:
    for number in range(20):
        (images / "bed" / f"aa-{number}.jpg").write_bytes(b"nothing")
    assert len(collected(fake_engine, images)) == 12


def test_a_wrapping_is_named_in_a_note(fake_engine: Engine, images: Path) -> None:
    (images.parent / "outer").mkdir()
    images.rename(images.parent / "outer" / "pictures")
    outer = images.parent / "outer"
    [note] = collected(fake_engine, outer).notes
    assert note == f"learning 3 categories from {outer}/pictures"
    [note] = collected(fake_engine, outer, requirements=ANY).notes
    assert note == f"measuring 3 categories from {outer}/pictures"


def test_two_levels_of_categories_are_refused_whatever_is_asked(
    fake_engine: Engine, images: Path
) -> None:
    shutil.copytree(images, images.parent / "both" / "train")
    shutil.copytree(images, images.parent / "both" / "test")
    for requirements in (Requirements(), ANY):
        with pytest.raises(TrainingError, match="two folders deep"):
            collect(
                str(images.parent / "both"),
                NoNetwork(fake_engine.config),
                requirements=requirements,
            )


def test_small_labels_of_the_catalog_are_left_out_and_named(
    fake_engine: Engine, images: Path, catalog: Catalog
) -> None:
    for path in sorted((images / "bed").iterdir())[1:]:
        path.unlink()
    fake_engine.index([images], label="parent")
    with pytest.raises(TrainingError, match="'bed' has 1 usable picture"):
        collect_labelled(catalog)
    examples = collect_labelled(catalog, Requirements(min_images=2))
    assert (examples.categories, len(examples)) == (("chair", "lamp"), 8)
    assert examples.notes == ("left out, with fewer than 2 usable pictures: bed (1)",)
