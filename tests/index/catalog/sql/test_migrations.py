"""Catalogs of any age are brought up to date, or left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from index.catalog.catalog import Catalog
from index.catalog.sql.database import Database, schema_version
from index.catalog.sql.migrations import MIGRATIONS
from index.catalog.tables.images import Batch
from index.catalog.tables.settings import write_setting
from index.errors import CatalogDamagedError, CatalogVersionError
from index.records import CatalogIdentity


@pytest.fixture
def catalog(url_catalog: Catalog) -> Catalog:
    """An empty catalog at `database_url`."""
    return url_catalog


@pytest.fixture
def database(database_url: str | Path) -> Iterator[Database]:
    """A database without tables."""
    made = Database(database_url)
    yield made
    made.close()


def _dump(database: Database) -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    with database.reading() as connection:
        names = sorted(inspect(connection).get_table_names())
        return {name: list(connection.execute(text(f"SELECT * FROM {name}"))) for name in names}


def _add_a_table(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE novelty (thing TEXT)"))


def _fail(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE half_done (thing TEXT)"))
    connection.execute(text("DELETE FROM images"))
    raise RuntimeError("the step fails")


def test_a_fresh_database_gets_the_latest_version(database: Database) -> None:
    database.migrate()
    with database.reading() as connection:
        assert schema_version(connection) == len(MIGRATIONS)


def test_a_database_without_tables_has_version_0(database: Database) -> None:
    with database.reading() as connection:
        assert schema_version(connection) == 0


def test_migrating_twice_changes_nothing(catalog: Catalog) -> None:
    before = _dump(catalog.database)
    catalog.database.migrate()
    assert _dump(catalog.database) == before


def test_many_who_open_a_fresh_database_at_once_all_find_it_migrated(
    database_url: str | Path,
) -> None:
    databases = [Database(database_url) for _ in range(6)]
    with ThreadPoolExecutor(len(databases)) as pool:
        list(pool.map(Database.migrate, databases))
    for each in databases:
        with each.reading() as connection:
            assert schema_version(connection) == len(MIGRATIONS)
        each.close()


def test_only_the_missing_steps_are_applied(
    catalog: Catalog, make_batch: Callable[..., Batch]
) -> None:
    catalog.images.store(make_batch(["/a.jpg"]))
    steps = (*MIGRATIONS, _add_a_table)
    catalog.database.migrate(steps)
    with catalog.database.reading() as connection:
        assert inspect(connection).has_table("novelty")
        assert schema_version(connection, steps) == len(MIGRATIONS) + 1
    assert catalog.counts().images == 1


def test_predictions_of_an_older_catalog_lack_what_is_remembered_since(
    database: Database,
) -> None:
    database.migrate(MIGRATIONS[:3])
    moment = "'2026-01-01 00:00:00'"
    with database.writing() as connection:
        connection.execute(text("INSERT INTO categories VALUES (1, 'bed', 'imagenet')"))
        image = f"1, '/a', 1, 1, 1, '', 1, 1, '', NULL, {moment}, NULL, 1"
        connection.execute(text(f"INSERT INTO images VALUES ({image})"))
        connection.execute(text("INSERT INTO predictions VALUES (1, 1, 0.5, FALSE)"))
    database.migrate()
    with database.reading() as connection:
        (row,) = connection.execute(text("SELECT probability, built_in FROM predictions"))
    assert tuple(row) == (0.5, None)


def test_a_failing_step_leaves_no_trace(catalog: Catalog, make_batch: Callable[..., Batch]) -> None:
    catalog.images.store(make_batch(["/a.jpg"]))
    before = _dump(catalog.database)
    with pytest.raises(RuntimeError, match="the step fails"):
        catalog.database.migrate((*MIGRATIONS, _add_a_table, _fail))
    assert _dump(catalog.database) == before


def test_a_fresh_database_stays_empty_where_its_first_step_fails(
    database: Database,
) -> None:
    with pytest.raises(RuntimeError):
        database.migrate((*MIGRATIONS, _fail))
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == []


@pytest.fixture
def newer(catalog: Catalog, database_url: str | Path) -> str | Path:
    """A catalog that a later release has written."""
    with catalog.database.writing() as connection:
        write_setting(connection, "schema", str(len(MIGRATIONS) + 1))
    catalog.close()
    return database_url


@pytest.fixture
def newer_file(file_catalog: Catalog, tmp_path: Path) -> Path:
    """The same in a file."""
    with file_catalog.database.writing() as connection:
        write_setting(connection, "schema", str(len(MIGRATIONS) + 1))
    file_catalog.close()
    return tmp_path / "catalog.sqlite"


def test_a_catalog_of_a_newer_release_is_refused(newer: str | Path) -> None:
    with pytest.raises(CatalogVersionError) as caught:
        Catalog.open(newer)
    assert caught.value.thing in str(newer)
    assert str(len(MIGRATIONS) + 1) in caught.value.reason
    assert "pip install --upgrade" in caught.value.remedy


def test_a_refused_catalog_is_not_changed(
    newer_file: Path, make_identity: Callable[..., CatalogIdentity]
) -> None:
    before = newer_file.read_bytes()
    with pytest.raises(CatalogVersionError):
        Catalog.open(newer_file)
    with pytest.raises(CatalogVersionError):
        Catalog.create(newer_file, make_identity())
    assert newer_file.read_bytes() == before
    assert not newer_file.with_name("catalog.sqlite-wal").exists()


def test_a_newer_catalog_in_a_read_only_folder_is_called_newer(
    open_folder: Path, newer_file: Path, read_only: Callable[[], AbstractContextManager[None]]
) -> None:
    path = open_folder / "catalog.sqlite"
    path.write_bytes(newer_file.read_bytes())
    with read_only(), pytest.raises(CatalogVersionError):
        Catalog.open(path)


def test_a_catalog_that_lost_a_table_is_called_damaged(catalog: Catalog) -> None:
    with catalog.database.writing() as connection:
        connection.execute(text("DROP TABLE embeddings"))
    with pytest.raises(CatalogDamagedError, match="embeddings"):
        catalog.embeddings.all()
