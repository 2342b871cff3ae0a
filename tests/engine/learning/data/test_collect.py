"""From labelled data sets to examples: found, checked, and opened at most once."""

from __future__ import annotations

import hashlib
import os
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine import Engine
from engine.errors import TrainingError
from engine.learning.data.collect import collect, collect_labelled
from engine.learning.data.examples import Examples, label_positions
from engine.pictures.augment import MIRROR, ORIGINAL, view_names
from engine.pictures.preprocess import mirrored
from index.catalog.catalog import Catalog
from index.names import same_name
from index.records import Vectors
from tests.support.spread import SpreadEmbedder

LONG_AGO = 1_600_000_000


@pytest.fixture
def old(images: Path) -> Path:
    """The pictures, long untouched."""
    for path in images.rglob("*.jpg"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return images


@pytest.fixture
def catalog(fake_engine: Engine) -> Iterator[Catalog]:
    """A catalog with nothing in it."""
    store = fake_engine.config.store
    store.make()
    with Catalog.create(store.catalog, SpreadEmbedder(fake_engine.config).identity) as catalog:
        yield catalog


def collected(
    engine: Engine,
    dataset: Path,
    catalog: Catalog | None = None,
    *,
    views: Sequence[str] = (ORIGINAL, MIRROR),
    open_indexed: bool = False,
    keep_views: bool = True,
) -> Examples:
    return collect(
        str(dataset),
        SpreadEmbedder(engine.config),
        catalog,
        views=views,
        open_indexed=open_indexed,
        keep_views=keep_views,
    )


def vector_of(examples: Examples, image: int, view: str) -> Vectors:
    """Return the embedding of one view of one image."""
    at = (examples.image == image) & (examples.view == examples.views.index(view))
    assert at.sum() == 1
    return examples.vectors[at]


def views_of(examples: Examples) -> list[set[str]]:
    """Return the names of the views of each image."""
    return [
        {examples.views[view] for view in examples.view[examples.image == image]}
        for image in range(len(examples))
    ]


def test_labels_have_positions_in_alphabetical_order() -> None:
    names, numbers = label_positions(["sofa", "bed", "sofa", "lamp"])
    assert names == ("bed", "lamp", "sofa")
    assert numbers.tolist() == [2, 0, 2, 1]


def test_a_collected_image_and_its_mirrored_copy_are_embedded(
    fake_engine: Engine, images: Path
) -> None:
    examples = collected(fake_engine, images)
    embedder = SpreadEmbedder(fake_engine.config)
    assert examples.embedded == 12
    for image, path in enumerate(examples.paths):
        pixels = embedder.pixels(Path(path).read_bytes(), path)
        wanted = embedder.embed([pixels, mirrored(pixels)]).unit
        found = [vector_of(examples, image, view).unit[0] for view in (ORIGINAL, MIRROR)]
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_images_have_their_labels_contents_and_files(fake_engine: Engine, images: Path) -> None:
    examples = collected(fake_engine, images)
    for path, digest, label in zip(examples.paths, examples.hashes, examples.labels, strict=True):
        assert examples.categories[label] == Path(path).parent.name
        assert digest == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_rows_are_ordered_by_view_then_by_image(fake_engine: Engine, images: Path) -> None:
    examples = collected(fake_engine, images)
    assert examples.view.tolist() == [0] * 12 + [1] * 12
    assert examples.image.tolist() == [*range(12), *range(12)]
    assert examples.originals.tolist() == list(range(12))


def test_the_rows_of_an_image_are_those_of_all_its_views(fake_engine: Engine, images: Path) -> None:
    examples = collected(fake_engine, images)
    assert examples.rows_of(np.array([0, 5])).tolist() == [0, 5, 12, 17]
    assert np.array_equal(examples.row_labels[[5, 17]], examples.labels[[5, 5]])


def test_copies_of_an_image_are_one_group(fake_engine: Engine, images: Path) -> None:
    first = sorted((images / "bed").iterdir())[0]
    shutil.copy(first, images / "bed" / "zz-copy.jpg")
    shutil.copy(first, images / "lamp" / "zz-copy.jpg")
    examples = collected(fake_engine, images)
    copies = [at for at, path in enumerate(examples.paths) if "zz-copy" in path]
    own = examples.paths.index(str(first))
    assert examples.groups[copies].tolist() == [own, own]
    assert len(set(examples.groups)) == 12


def test_without_mirroring_there_is_the_image_alone(fake_engine: Engine, images: Path) -> None:
    examples = collected(fake_engine, images, views=(ORIGINAL,))
    assert views_of(examples) == [{ORIGINAL}] * 12


def test_what_was_collected_once_is_not_embedded_again(
    fake_engine: Engine, images: Path, catalog: Catalog
) -> None:
    first = collected(fake_engine, images, catalog)
    again = collected(fake_engine, images, catalog)
    assert (first.embedded, again.embedded) == (12, 0)
    assert first.hashes == again.hashes
    np.testing.assert_allclose(first.vectors.raw, again.vectors.raw, rtol=2e-3, atol=2e-3)


def test_unless_asked_to_nothing_is_kept(
    fake_engine: Engine, images: Path, catalog: Catalog
) -> None:
    collected(fake_engine, images, catalog, keep_views=False)
    assert catalog.counts().views == 0


def test_an_image_in_the_catalog_is_not_even_opened(
    fake_engine: Engine, old: Path, opened: list[str], catalog: Catalog
) -> None:
    fake_engine.index([old])
    opened.clear()
    found = collected(fake_engine, old, catalog)
    assert (found.embedded, opened) == (0, [])
    assert views_of(found) == [{ORIGINAL}] * 12


def test_a_copy_of_an_image_in_the_catalog_is_not_embedded(
    fake_engine: Engine, old: Path, opened: list[str], catalog: Catalog, tmp_path: Path
) -> None:
    fake_engine.index([old])
    shutil.copytree(old, tmp_path / "copies")
    opened.clear()
    found = collected(fake_engine, tmp_path / "copies", catalog)
    # Two of each category were opened before, to see whether there is anything to learn.
    assert (found.embedded, set(opened), len(opened)) == (
        0,
        set(map(str, (tmp_path / "copies").rglob("*.jpg"))),
        18,
    )


def test_images_in_the_catalog_are_mirrored_where_that_is_asked_for(
    fake_engine: Engine, old: Path, catalog: Catalog
) -> None:
    fake_engine.index([old])
    found = collected(fake_engine, old, catalog, open_indexed=True)
    assert found.embedded == 12
    assert views_of(found) == [{ORIGINAL, MIRROR}] * 12


def test_drawn_views_are_kept_and_not_drawn_again(
    fake_engine: Engine, images: Path, catalog: Catalog
) -> None:
    first = collected(fake_engine, images, catalog, views=view_names(3))
    assert views_of(first) == [set(view_names(3))] * 12
    more = collected(fake_engine, images, catalog, views=view_names(4))
    assert more.embedded == 12
    again = collected(fake_engine, images, catalog, views=view_names(4))
    assert again.embedded == 0
    assert (more.views, again.image.tolist()) == (view_names(4), more.image.tolist())
    np.testing.assert_allclose(more.vectors.unit, again.vectors.unit, atol=2e-3)


def test_an_image_that_changed_since_it_was_indexed_is_embedded_anew(
    fake_engine: Engine, old: Path, catalog: Catalog
) -> None:
    fake_engine.index([old])
    bed, lamp = (next((old / name).iterdir()) for name in ("bed", "lamp"))
    bed.write_bytes(lamp.read_bytes() + b"\0")
    found = collected(fake_engine, old, catalog)
    assert found.embedded == 1
    one, other = (vector_of(found, found.paths.index(str(path)), ORIGINAL) for path in (bed, lamp))
    np.testing.assert_allclose(one.unit, other.unit, atol=2e-3)


def test_an_image_that_cannot_be_read_is_left_out_with_its_reason(
    fake_engine: Engine, images: Path
) -> None:
    (images / "bed" / "broken.jpg").write_bytes(b"nothing")
    found = collected(fake_engine, images)
    assert (len(found), len(found.hashes), len(found.vectors)) == (12, 12, 24)
    (skip,) = found.skipped
    assert skip.path.endswith("broken.jpg")
    assert skip.reason and skip.hint


def test_names_of_folders_become_text(fake_engine: Engine, images: Path) -> None:
    (images / "bed").rename(images / "b\ted")
    examples = collected(fake_engine, images)
    assert examples.categories == ("b\ufffded", "chair", "lamp")


def test_labels_of_the_catalog_that_say_the_same_are_one_category(
    fake_engine: Engine, images: Path, catalog: Catalog
) -> None:
    fake_engine.index([images])
    rows = list(catalog.images.known([str(images)]).values())
    labels = ["Möbel", unicodedata.normalize("NFD", "möbel"), "bed"]
    catalog.images.relabel([(row.id, labels[at % 3]) for at, row in enumerate(rows)])
    examples = collect_labelled(catalog)
    assert len(examples.categories) == 2
    assert set(map(same_name, examples.categories)) == {"möbel", "bed"}


def test_too_few_readable_images_bring_their_skips_along(fake_engine: Engine, images: Path) -> None:
    for path in (images / "bed").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="has 0 usable pictures") as caught:
        collected(fake_engine, images)
    assert len(caught.value.skipped) == 4


def test_copies_of_one_image_are_not_enough_for_a_category(
    fake_engine: Engine, images: Path
) -> None:
    first, *others = sorted((images / "bed").iterdir())
    for path in others:
        shutil.copy(first, path)
    with pytest.raises(TrainingError, match="'bed' has 1 usable picture"):
        collected(fake_engine, images)


def test_some_images_can_be_taken_alone(fake_engine: Engine, images: Path) -> None:
    examples = collected(fake_engine, images)
    some = examples.take(np.array([7, 2]))
    assert (len(some), len(some.vectors), some.paths) == (
        2,
        4,
        (examples.paths[7], examples.paths[2]),
    )
    for at, image in enumerate((7, 2)):
        for view in (ORIGINAL, MIRROR):
            one, other = vector_of(some, at, view), vector_of(examples, image, view)
            assert np.array_equal(one.unit, other.unit)
    assert views_of(examples.take(np.array([7, 2]), views=1)) == [{ORIGINAL}] * 2
