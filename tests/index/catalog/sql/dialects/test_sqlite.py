"""What SQLite answers to damaged files, full disks and folders that cannot be written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from sqlalchemy import text

from index.catalog.catalog import Catalog
from index.catalog.sql.database import Database
from index.catalog.tables.images import Batch
from index.errors import CatalogDamagedError, CatalogError, DiskFullError, StoreError

MakeBatch = Callable[..., Batch]
ReadOnly = Callable[[], AbstractContextManager[None]]
PAGE = 4096


@pytest.fixture
def catalog(file_catalog: Catalog) -> Catalog:
    """An empty catalog at `tmp_path / "catalog.sqlite"`."""
    return file_catalog


def test_every_commit_is_flushed_to_the_disk(catalog: Catalog) -> None:
    with catalog.database.reading() as connection:
        full = 2
        assert connection.execute(text("PRAGMA synchronous")).scalar() == full
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


@pytest.mark.slow
def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    # SQLite refuses, now and then, to change the mode of a file that another one is changing.
    for number in range(60):
        databases = [Database(tmp_path / f"{number}.sqlite") for _ in range(8)]
        with ThreadPoolExecutor(len(databases)) as pool:
            list(pool.map(Database.migrate, databases))
        for database in databases:
            database.close()


@pytest.fixture
def closed(catalog: Catalog, tmp_path: Path, make_batch: MakeBatch) -> Path:
    """The file of a catalog of 300 images."""
    catalog.images.store(make_batch([f"/pictures/{number}.jpg" for number in range(300)]))
    catalog.close()
    return tmp_path / "catalog.sqlite"


def _read_all(path: Path) -> None:
    with Catalog.open(path) as catalog:
        catalog.images.known(["/"])
        catalog.embeddings.all()


def _garbage(data: bytes) -> bytes:
    return b"this is no database " * 500


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _first_page(data: bytes) -> bytes:
    return data[:PAGE]


def _hole(data: bytes) -> bytes:
    middle = len(data) // PAGE // 2 * PAGE
    return data[:PAGE] + b"\xff" * (middle - PAGE) + data[middle:]


@pytest.mark.parametrize("harm", [_garbage, _half, _first_page, _hole])
def test_a_damaged_file_is_called_damaged_and_left_as_it_is(
    closed: Path, harm: Callable[[bytes], bytes]
) -> None:
    damaged = harm(closed.read_bytes())
    closed.write_bytes(damaged)
    with pytest.raises(CatalogDamagedError) as caught:
        _read_all(closed)
    assert caught.value.thing == str(closed)
    assert "Put back a copy" in caught.value.remedy
    assert closed.read_bytes() == damaged


def test_an_undamaged_file_reads_well(closed: Path) -> None:
    _read_all(closed)


def test_writing_into_a_damaged_file_is_refused(closed: Path, make_batch: MakeBatch) -> None:
    damaged = _hole(closed.read_bytes())
    closed.write_bytes(damaged)
    with (
        pytest.raises(CatalogDamagedError),
        Catalog.open(closed) as catalog,
    ):
        catalog.images.store(make_batch(["/new.jpg"]))
    assert closed.read_bytes() == damaged


def _limit(database: Database, spare: int) -> None:
    with database.reading() as connection:
        used = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {used + spare}"))


def test_a_full_disk_keeps_all_that_was_committed(catalog: Catalog, make_batch: MakeBatch) -> None:
    paths = [f"/{number}.jpg" for number in range(2000)]
    ids_before = catalog.images.store(make_batch(paths[:100]))
    _limit(catalog.database, spare=2)
    with pytest.raises(DiskFullError, match="Free some space"):
        catalog.images.store(make_batch(paths[100:]))
    ids, vectors = catalog.embeddings.all()
    assert ids.tolist() == ids_before
    assert vectors.unit.tolist() == make_batch(paths[:100]).vectors.unit.tolist()
    assert catalog.counts().images == catalog.counts().predictions == 100
    assert catalog.problems() == []


def test_once_there_is_room_again_the_same_batch_goes_in(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    batch = make_batch([f"/{number}.jpg" for number in range(2000)])
    _limit(catalog.database, spare=2)
    with pytest.raises(DiskFullError):
        catalog.images.store(batch)
    _limit(catalog.database, spare=100_000)
    catalog.images.store(batch)
    assert catalog.counts().images == 2000


@pytest.fixture
def archived(closed: Path, open_folder: Path) -> Path:
    """The same catalog in a folder that `read_only` can protect."""
    path = open_folder / "catalog.sqlite"
    path.write_bytes(closed.read_bytes())
    path.chmod(0o644)
    return path


def test_a_catalog_in_a_read_only_folder_can_be_read(archived: Path, read_only: ReadOnly) -> None:
    with read_only(), Catalog.open(archived) as catalog:
        assert len(catalog.images.known(["/"])) == 300
        assert catalog.problems() == []
        assert os.listdir(archived.parent) == ["catalog.sqlite"]


def test_a_catalog_of_an_older_release_in_a_read_only_folder_can_be_read(
    archived: Path, read_only: ReadOnly
) -> None:
    with closing(sqlite3.connect(archived)) as connection:
        for column in ("inode", "ctime_ns"):
            connection.execute(f"ALTER TABLE images DROP COLUMN {column}")
        connection.execute("UPDATE settings SET value = '5' WHERE key = 'schema'")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.commit()
    with read_only(), Catalog.open(archived) as catalog:
        known = catalog.images.known(["/"])
        assert len(known) == 300
        assert {each.inode for each in known.values()} == {None}


def test_a_catalog_in_a_read_only_folder_cannot_be_written(
    archived: Path, read_only: ReadOnly
) -> None:
    with (
        read_only(),
        Catalog.open(archived) as catalog,
        pytest.raises(CatalogError, match=r"cannot be written.*permissions"),
    ):
        catalog.images.hide([1])


def test_a_catalog_that_may_not_be_read_is_an_error_of_the_store(
    archived: Path, read_only: ReadOnly
) -> None:
    archived.chmod(0o600)
    with read_only(), pytest.raises(StoreError, match="permissions"):
        Catalog.open(archived)


@pytest.mark.parametrize("name", ["100%25 #1?mode=memory", os.fsdecode(b"latin1-\xe9")])
def test_a_store_with_an_odd_name_can_be_read_when_it_is_read_only(
    archived: Path, open_folder: Path, read_only: ReadOnly, name: str
) -> None:
    odd = archived.rename(open_folder / name)
    with read_only(), Catalog.open(odd) as catalog:
        assert catalog.counts().images == 300


@pytest.mark.slow
def test_damage_that_shows_between_rows_is_said_of_the_file(
    file_catalog: Catalog, tmp_path: Path, make_batch: MakeBatch
) -> None:
    """Rows in bulk come from the driver itself, whose errors SQLAlchemy does not see."""
    file_catalog.images.store(make_batch([f"/{number}" for number in range(2000)]))
    file_catalog.compact()
    file_catalog.close()
    good, refused = (tmp_path / "catalog.sqlite").read_bytes(), 0
    for page in range(1, len(good) // PAGE):
        start = page * PAGE
        damaged = good[:start] + b"\xff" * PAGE + good[start + PAGE :]
        (tmp_path / "catalog.sqlite").write_bytes(damaged)
        try:
            with Catalog.open(tmp_path / "catalog.sqlite") as catalog:
                catalog.embeddings.damaged()
                catalog.contents.visible()
        except CatalogDamagedError:
            refused += 1
    assert refused > 10
