"""Known hashes: asked one by one or from memory, the answers are the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Engine
from engine.config import Config
from engine.ingest.batch_writer import IngestLimits, KnownHashes
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.tables.contents import ContentTable
from index.catalog.tables.images import Batch
from index.catalog.tables.predictions import Named
from index.records import FileState, ImageFacts, Vectors
from tests.support.shop import Shop, counts

FEW = IngestLimits().single_hashes


def digest(number: int) -> str:
    return f"{number:04x}" * 16


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """A catalog that holds the contents 0 to 4, of which 4 is gone."""
    identity = FakeEmbedder(Config.at(tmp_path / "store")).identity
    with Catalog.create(tmp_path / "catalog.sqlite", identity) as made:
        hide = store(made, range(5))[-1]
        made.images.hide([hide])
        yield made


def store(catalog: Catalog, numbers: range) -> list[int]:
    facts = [ImageFacts(FileState(f"/{n}", 1, 1), 1, digest(n), 9, 9, "BMP", None) for n in numbers]
    count = len(facts)
    vectors = Vectors(np.ones((count, 48), np.float32), np.ones(count, np.float32))
    zeros = np.zeros(count, np.int64)
    named = Named([("imagenet", "a")], zeros, zeros.astype(np.float32), zeros.astype(bool))
    return catalog.images.store(Batch([None] * count, facts, vectors, named))


@pytest.mark.parametrize("files", [1, FEW, FEW + 1, 10_000])
def test_a_content_is_known_whether_its_image_is_there_or_gone(
    catalog: Catalog, files: int
) -> None:
    known = KnownHashes(catalog, IngestLimits())
    known.expect(files)
    assert [digest(number) in known for number in (0, 4, 5)] == [True, True, False]


@pytest.mark.parametrize("files", [1, 10_000])
def test_a_content_is_known_as_soon_as_it_is_committed(catalog: Catalog, files: int) -> None:
    known = KnownHashes(catalog, IngestLimits())
    known.expect(files)
    store(catalog, range(7, 8))
    known.add([digest(7)])
    assert digest(7) in known


def test_for_many_files_the_catalog_is_asked_once(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownHashes(catalog, IngestLimits())
    known.expect(10_000)
    monkeypatch.delattr(ContentTable, "first")
    assert sum(digest(number) in known for number in range(1000)) == 5


def test_of_many_moved_images_none_is_embedded_again(fake_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for number in range(FEW + 10):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "old" / f"{number}.bmp")
    fake_engine.index([tmp_path / "old"])
    (tmp_path / "old").rename(tmp_path / "new")
    (tmp_path / "old").mkdir()
    report = fake_engine.index([tmp_path / "new"])
    assert (report.moved, report.added, report.embedded) == (FEW + 10, 0, 0)


def test_a_hash_that_a_disk_has_changed_is_that_of_no_file(shop: Shop) -> None:
    for content in range(4, FEW + 8):
        shop.put(f"{content}.bmp", content)
    shop.index()
    shop.engine.close()
    with closing(sqlite3.connect(shop.folder.parent / "store" / "catalog.sqlite")) as database:
        change = "UPDATE images SET content_hash = ' ' || substr(content_hash, 2) WHERE id = 2"
        database.execute(change)
        database.commit()
    for content in range(1000, 1000 + 2 * FEW):
        shop.put(f"{content}.bmp", content)
    assert counts(shop.index())["added"] == 2 * FEW
    assert shop.engine.status().consistent
