"""Labelled pictures on their way to training: found, and opened at most once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Engine, UsageError
from engine.ingest.labels import NoLabels, ParentLabels
from engine.learning.dataset import (
    Collected,
    Collector,
    find_labelled,
    label_numbers,
    require_folder,
)
from engine.pictures.augment import MIRROR, ORIGINAL, view_names
from engine.pictures.decode import read_file
from engine.pictures.preprocess import mirrored
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog

LONG_AGO = 1_600_000_000


@pytest.fixture
def old(images: Path) -> Path:
    """The pictures, long untouched."""
    for path in images.rglob("*.jpg"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return images


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read."""
    names: list[str] = []

    def noted(path: str, *limits: Any) -> bytes:
        names.append(os.path.basename(path))
        return read_file(path, *limits)

    monkeypatch.setattr("engine.learning.dataset.read_file", noted)
    return names


@pytest.fixture
def catalog(fake_engine: Engine) -> Iterator[Catalog]:
    """A catalog with nothing in it."""
    store = fake_engine.config.store
    store.make()
    with Catalog.create(store.catalog, FakeEmbedder(fake_engine.config).identity) as catalog:
        yield catalog


def collect(
    engine: Engine,
    dataset: Path,
    catalog: Catalog | None = None,
    *,
    views: Sequence[str] = (ORIGINAL, MIRROR),
    open_indexed: bool = False,
    keep: bool = True,
) -> Collected:
    files, _ = find_labelled(str(dataset))
    embedder = FakeEmbedder(engine.config)
    collector = Collector(catalog, embedder, keep=keep)
    return collector.collect(str(dataset), files, views=views, open_indexed=open_indexed)


def test_the_folder_below_the_data_set_is_the_label(images: Path) -> None:
    deep = images / "bed" / "oak" / "deep.jpg"
    deep.parent.mkdir()
    shutil.copy(next((images / "bed").glob("*.jpg")), deep)
    files, skipped = find_labelled(str(images))
    assert [each.label for each in files] == ["bed"] * 5 + ["chair"] * 4 + ["lamp"] * 4
    assert str(deep) in [each.file.path for each in files]
    assert skipped == []


def test_images_beside_the_folders_have_no_label(images: Path) -> None:
    shutil.copy(next((images / "bed").iterdir()), images / "beside.jpg")
    files, _ = find_labelled(str(images))
    assert len(files) == 12


def test_another_rule_may_give_the_labels(images: Path) -> None:
    shutil.copy(next((images / "bed").iterdir()), images / "beside.jpg")
    files, _ = find_labelled(str(images), ParentLabels())
    assert {each.label for each in files} == {"bed", "chair", "lamp", "pictures"}


def test_a_data_set_without_labels_says_how_to_give_them(images: Path) -> None:
    with pytest.raises(UsageError, match=r"Put the pictures into folders .* DATASET/bed/1\.jpg"):
        find_labelled(str(images / "bed"))
    with pytest.raises(UsageError, match="no picture in it has a label"):
        find_labelled(str(images), NoLabels())


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_no_data_set(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="there is no such folder"):
        require_folder(str(tmp_path / name))


def test_labels_are_numbered_in_order() -> None:
    names, numbers = label_numbers(["sofa", "bed", "sofa", "lamp"])
    assert names == ("bed", "lamp", "sofa")
    assert numbers.tolist() == [2, 0, 2, 1]


def test_a_collected_image_and_its_mirrored_copy_are_embedded(
    fake_engine: Engine, images: Path
) -> None:
    found = collect(fake_engine, images)
    embedder = FakeEmbedder(fake_engine.config)
    assert found.embedded == 12
    for each, views in zip(found.files, found.views, strict=True):
        pixels = embedder.pixels(Path(each.file.path).read_bytes(), each.file.path)
        own, mirror = embedder.embed([pixels, mirrored(pixels)]).unit
        np.testing.assert_allclose(views[ORIGINAL].unit[0], own, atol=1e-6)
        np.testing.assert_allclose(views[MIRROR].unit[0], mirror, atol=1e-6)


def test_the_vectors_of_a_view_stand_in_order_of_the_files(
    fake_engine: Engine, images: Path
) -> None:
    found = collect(fake_engine, images)
    rows = np.concatenate([views[MIRROR].unit for views in found.views])
    assert np.array_equal(found.vectors(MIRROR).unit, rows)


def test_without_mirroring_there_is_the_image_alone(fake_engine: Engine, images: Path) -> None:
    assert all(set(v) == {ORIGINAL} for v in collect(fake_engine, images, views=(ORIGINAL,)).views)


def test_what_was_collected_once_is_not_embedded_again(
    fake_engine: Engine, images: Path, catalog: Catalog
) -> None:
    first = collect(fake_engine, images, catalog)
    again = collect(fake_engine, images, catalog)
    assert (first.embedded, again.embedded) == (12, 0)
    for one, other in zip(first.views, again.views, strict=True):
        assert set(one) == set(other)
        np.testing.assert_allclose(one[MIRROR].raw, other[MIRROR].raw, rtol=2e-3, atol=2e-3)


def test_unless_asked_to_nothing_is_kept(
    fake_engine: Engine, images: Path, catalog: Catalog
) -> None:
    collect(fake_engine, images, catalog, keep=False)
    assert catalog.counts().views == 0


def test_a_image_in_the_catalog_is_not_even_opened(
    fake_engine: Engine, old: Path, opened: list[str], catalog: Catalog
) -> None:
    fake_engine.index([old])
    found = collect(fake_engine, old, catalog)
    assert (found.embedded, opened) == (0, [])
    assert all(set(views) == {ORIGINAL} for views in found.views)


def test_a_copy_of_a_image_in_the_catalog_is_not_embedded(
    fake_engine: Engine, old: Path, opened: list[str], catalog: Catalog, tmp_path: Path
) -> None:
    fake_engine.index([old])
    shutil.copytree(old, tmp_path / "copies")
    found = collect(fake_engine, tmp_path / "copies", catalog)
    assert (found.embedded, len(opened)) == (0, 12)


def test_images_in_the_catalog_are_mirrored_where_that_is_asked_for(
    fake_engine: Engine, old: Path, catalog: Catalog
) -> None:
    fake_engine.index([old])
    found = collect(fake_engine, old, catalog, open_indexed=True)
    assert found.embedded == 12
    assert all(set(views) == {ORIGINAL, MIRROR} for views in found.views)


def test_drawn_views_are_kept_and_not_drawn_again(
    fake_engine: Engine, images: Path, catalog: Catalog
) -> None:
    first = collect(fake_engine, images, catalog, views=view_names(3))
    assert all(set(views) == set(view_names(3)) for views in first.views)
    more = collect(fake_engine, images, catalog, views=view_names(4))
    assert more.embedded == 12
    again = collect(fake_engine, images, catalog, views=view_names(4))
    assert again.embedded == 0
    for one, other in zip(more.views, again.views, strict=True):
        for view in view_names(4):
            np.testing.assert_allclose(one[view].unit, other[view].unit, atol=2e-3)


def test_a_image_that_changed_since_it_was_indexed_is_embedded_anew(
    fake_engine: Engine, old: Path, catalog: Catalog
) -> None:
    fake_engine.index([old])
    bed, lamp = (next((old / name).iterdir()) for name in ("bed", "lamp"))
    bed.write_bytes(lamp.read_bytes() + b"\0")
    found = collect(fake_engine, old, catalog)
    assert found.embedded == 1
    places = [each.file.path for each in found.files]
    one, other = (found.views[places.index(str(path))][ORIGINAL] for path in (bed, lamp))
    np.testing.assert_allclose(one.unit, other.unit, atol=2e-3)


def test_a_image_that_cannot_be_read_is_left_out_with_its_reason(
    fake_engine: Engine, images: Path
) -> None:
    (images / "bed" / "broken.jpg").write_bytes(b"nothing")
    found = collect(fake_engine, images)
    assert (len(found.files), len(found.hashes), len(found.views)) == (12, 12, 12)
    (skip,) = found.skipped
    assert skip.path.endswith("broken.jpg")
    assert skip.reason and skip.hint
