"""The map of a catalog: neighbours stay neighbours, and it says when it is not of today."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from engine import Engine, UsageError
from engine.errors import StoreNotFoundError
from engine.progress import Reporter
from engine.search.map.maps import FILE
from engine.search.map.positions import Positions, write_positions
from engine.search.map.results import CatalogMap
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.state import CatalogState
from tests.support.shop import NotingReporter

# One that puts images at random has 0.5.
TRUSTED = 0.8
PATIENCE = 60.0


def positions(found: CatalogMap) -> np.ndarray:
    return np.stack([found.x, found.y], axis=1)


def trusted(engine: Engine, found: CatalogMap, neighbours: int = 5) -> float:
    """Say how far neighbours in the map are neighbours by their embeddings, 0 to 1."""
    with Catalog.open(engine.config.store.catalog) as catalog:
        ids, vectors = catalog.embeddings.of(found.ids)
    assert ids.tolist() == list(found.ids)
    unit, xy = vectors.unit, positions(found)
    return float(trustworthiness(unit, xy, n_neighbors=neighbours, metric="cosine"))


@pytest.fixture
def drawn_engine(drawn: Path, tmp_path: Path, fake_engine: Engine) -> Engine:
    """An engine with sixty renders of five categories."""
    folder = tmp_path / "shop"
    shutil.copytree(drawn, folder)
    fake_engine.index([folder], label="parent")
    return fake_engine


@pytest.fixture(scope="module")
def photographs(real_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the real backbone and ten photographs of each of twelve categories."""
    folder = tmp_path_factory.mktemp("photographs")
    for category in sorted((real_images / "catalog").iterdir())[:12]:
        (folder / "catalog" / category.name).mkdir(parents=True)
        for path in sorted(category.iterdir())[:10]:
            shutil.copy2(path, folder / "catalog" / category.name / path.name)
    with Engine.open(folder / "store", backbone="efficientnet_lite0") as engine:
        engine.index([folder / "catalog"], label="parent")
        yield engine


def test_the_components_are_there_at_once(drawn_engine: Engine) -> None:
    found = drawn_engine.maps.show()
    assert (found.method, found.stale, len(found.ids)) == ("pca", False, 60)
    assert min(*found.x, *found.y) == 0 and max(*found.x, *found.y) == 1
    assert trusted(drawn_engine, found) > TRUSTED


@pytest.mark.slow
def test_images_are_coloured_by_category_or_label(drawn_engine: Engine) -> None:
    found = drawn_engine.maps.show(colours="label")
    assert sorted(found.categories) == ["bed", "chair", "lamp", "sofa", "table"]
    for image_id, number in zip(found.ids, found.category, strict=True):
        assert found.categories[number] == drawn_engine.images[image_id].label
    found = drawn_engine.maps.show()
    for image_id, number in zip(found.ids, found.category, strict=True):
        category = None if number < 0 else found.categories[number]
        image = drawn_engine.images[image_id]
        assert category in (image.category, None)
    counts = drawn_engine.images.categories()
    assert {name: found.category.count(n) for n, name in enumerate(found.categories)} == counts


@pytest.mark.slow
def test_neighbours_in_a_map_are_neighbours_of_photographs(photographs: Engine) -> None:
    components = photographs.maps.show("pca")
    photographs.maps.make()
    made = photographs.maps.show()
    assert (made.method, made.stale, len(made.ids)) == ("umap", False, 120)
    best, plain = trusted(photographs, made), trusted(photographs, components)
    rng = np.random.default_rng(1)
    shuffled = rng.permutation(positions(made))
    random = CatalogMap("", made.ids, *shuffled.T.tolist(), (), (), False)
    assert trusted(photographs, random) < 0.6
    assert best > 0.85
    assert best > plain > 0.6


@pytest.mark.slow
def test_the_same_embeddings_have_the_same_map(drawn_engine: Engine) -> None:
    drawn_engine.maps.make()
    first = drawn_engine.maps.show("umap")
    drawn_engine.maps.make()
    assert drawn_engine.maps.show("umap") == first
    assert trusted(drawn_engine, first) > TRUSTED


@pytest.mark.slow
def test_it_is_there_after_a_restart(drawn_engine: Engine) -> None:
    drawn_engine.maps.make()
    first = drawn_engine.maps.show()
    config = drawn_engine.config
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        assert engine.maps.show() == first


@pytest.mark.slow
def test_what_has_changed_since_makes_it_stale(drawn_engine: Engine, tmp_path: Path) -> None:
    drawn_engine.maps.make()
    before = drawn_engine.maps.show()
    first = min((tmp_path / "shop" / "bed").iterdir())
    first.rename(tmp_path / "gone.jpg")
    shutil.copy2(tmp_path / "gone.jpg", tmp_path / "shop" / "bed" / "new.png")
    drawn_engine.index([tmp_path / "shop"])
    drawn_engine.images.forget([before.ids[30]])
    after = drawn_engine.maps.show()
    assert after.stale
    assert set(after.ids) <= set(before.ids) - {before.ids[30]}
    places = dict(zip(before.ids, positions(before).tolist(), strict=True))
    for image_id, xy in zip(after.ids, positions(after).tolist(), strict=True):
        assert places[image_id] == xy
    drawn_engine.maps.make()
    assert not drawn_engine.maps.show().stale


def test_components_follow_the_catalog(drawn_engine: Engine) -> None:
    before = drawn_engine.maps.show("pca")
    drawn_engine.images.forget(before.ids[:10])
    after = drawn_engine.maps.show("pca")
    assert (after.stale, list(after.ids)) == (False, list(before.ids[10:]))


@pytest.mark.slow
def test_a_damaged_map_is_told_of_and_left_out(drawn_engine: Engine) -> None:
    drawn_engine.maps.make()
    path = drawn_engine.config.store.folder / FILE
    path.write_bytes(path.read_bytes()[:-1])
    reporter, config = NotingReporter(), drawn_engine.config
    with Engine(config, reporter, embedder=FakeEmbedder(config)) as engine:
        assert engine.maps.show().method == "pca"
    assert reporter.announced == [f"{path}: it is not as it was written; make the map anew"]


@pytest.mark.slow
def test_a_map_of_another_catalog_is_none(drawn_engine: Engine) -> None:
    shown = drawn_engine.maps.show()
    ids, xy = np.array(shown.ids), positions(shown).astype(np.float32)
    file = drawn_engine.config.store.folder / FILE
    write_positions(file, Positions(ids, xy, CatalogState("another", 7, "a")))
    assert drawn_engine.maps.show() == shown
    with pytest.raises(UsageError, match="no such map was made yet"):
        drawn_engine.maps.show("umap")


class Impatient(Reporter):
    """Ends a map in the middle."""

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Give up at a third of the rounds."""
        if task == "laying out" and total and done > total / 3:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_it_can_be_ended_and_then_nothing_is_written(drawn_engine: Engine) -> None:
    config = drawn_engine.config
    with Engine(config, Impatient(), embedder=FakeEmbedder(config)) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.maps.make()
        assert engine.maps.show().method == "pca"
    assert not (config.store.folder / FILE).exists()


@pytest.mark.slow
def test_after_one_was_ended_other_threads_make_maps(drawn_engine: Engine) -> None:
    config = drawn_engine.config
    with (
        Engine(config, Impatient(), embedder=FakeEmbedder(config)) as engine,
        pytest.raises(KeyboardInterrupt),
    ):
        engine.maps.make()
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(drawn_engine.maps.make).result(PATIENCE)
    assert made.images == 60


@pytest.mark.slow
def test_its_progress_is_told(drawn_engine: Engine) -> None:
    reporter, config = NotingReporter(), drawn_engine.config
    with Engine(config, reporter, embedder=FakeEmbedder(config)) as engine:
        engine.maps.make()
    rounds = [(done, total) for task, done, total, _ in reporter.told if task == "laying out"]
    assert [done for done, _ in rounds] == sorted(done for done, _ in rounds)
    assert rounds[-1] == (500, 500)


def test_without_the_extra_it_is_said_what_to_install(
    drawn_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UsageError, match=r"pip install 'image-engine\[map\]'"):
        drawn_engine.maps.make()
    assert drawn_engine.maps.show().method == "pca"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_few_images_have_components_alone(
    images: Path, fake_engine: Engine, count: int
) -> None:
    fake_engine.index(sorted((images / "bed").iterdir())[:count])
    assert len(fake_engine.maps.show().ids) == count
    with pytest.raises(UsageError, match="Index some more"):
        fake_engine.maps.make()


@pytest.mark.slow
def test_fewer_images_than_neighbours_can_be_laid_out(images: Path, fake_engine: Engine) -> None:
    fake_engine.index([images])
    assert fake_engine.maps.make().images == 12
    assert len(set(zip(fake_engine.maps.show().x, fake_engine.maps.show().y, strict=True))) == 12


def test_what_cannot_be_asked_is_refused(images: Path, fake_engine: Engine) -> None:
    with pytest.raises(StoreNotFoundError):
        fake_engine.maps.show()
    fake_engine.index([images])
    for wrong in ({"method": "tsne"}, {"method": "umap"}, {"colours": "path"}):
        with pytest.raises(UsageError):
            fake_engine.maps.show(**wrong)
