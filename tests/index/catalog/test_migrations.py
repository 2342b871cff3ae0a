"""Catalogs of any age are brought up to date, or left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

import index.catalog.database
import index.catalog.migrations
from index.catalog.catalog import Catalog
from index.catalog.database import Database
from index.catalog.images import Batch
from index.catalog.migrations import MIGRATIONS, schema_version
from index.catalog.settings import write_setting
from index.errors import CatalogDamagedError, CatalogVersionError
from index.records import CatalogIdentity


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "fresh.sqlite")
    yield made
    made.close()


def _dump(database: Database) -> list[str]:
    with database.reading() as connection:
        driver: Any = connection.connection.driver_connection
        return list(driver.iterdump())


def _use(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[Connection], None]) -> None:
    monkeypatch.setattr(index.catalog.migrations, "MIGRATIONS", steps)
    monkeypatch.setattr(index.catalog.database, "MIGRATIONS", steps)


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


def test_only_the_missing_steps_are_applied(
    catalog: Catalog, make_batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.images.store(make_batch(["/a.jpg"]))
    _use(monkeypatch, *MIGRATIONS, _add_a_table)
    catalog.database.migrate()
    with catalog.database.reading() as connection:
        assert inspect(connection).has_table("novelty")
        assert schema_version(connection) == len(MIGRATIONS) + 1
    assert catalog.counts().images == 1


def test_predictions_of_an_older_catalog_lack_what_is_remembered_since(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, *MIGRATIONS[:3])
    database.migrate()
    with database.writing() as connection:
        connection.execute(text("INSERT INTO categories VALUES (1, 'bed', 'imagenet')"))
        connection.execute(
            text("INSERT INTO images VALUES (1, '/a', 1, 1, 1, '', 1, 1, '', NULL, '', NULL, 1)")
        )
        connection.execute(text("INSERT INTO predictions VALUES (1, 1, 0.5, 0)"))
    _use(monkeypatch, *MIGRATIONS)
    database.migrate()
    with database.reading() as connection:
        (row,) = connection.execute(text("SELECT probability, built_in FROM predictions"))
    assert tuple(row) == (0.5, None)


def test_a_failing_step_leaves_no_trace(
    catalog: Catalog, make_batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.images.store(make_batch(["/a.jpg"]))
    before = _dump(catalog.database)
    _use(monkeypatch, *MIGRATIONS, _add_a_table, _fail)
    with pytest.raises(RuntimeError, match="the step fails"):
        catalog.database.migrate()
    assert _dump(catalog.database) == before


def test_a_fresh_database_stays_empty_where_its_first_step_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, *MIGRATIONS, _fail)
    with pytest.raises(RuntimeError):
        database.migrate()
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == []


@pytest.fixture
def newer(tmp_path: Path, catalog: Catalog) -> Path:
    """A catalog that a later release has written."""
    with catalog.database.writing() as connection:
        write_setting(connection, "schema", str(len(MIGRATIONS) + 1))
    catalog.close()
    return tmp_path / "catalog.sqlite"


def test_a_catalog_of_a_newer_release_is_refused(newer: Path) -> None:
    with pytest.raises(CatalogVersionError) as caught:
        Catalog.open(newer)
    assert str(newer) in caught.value.thing
    assert str(len(MIGRATIONS) + 1) in caught.value.reason
    assert "pip install --upgrade" in caught.value.remedy


def test_a_refused_catalog_is_not_changed(
    newer: Path, make_identity: Callable[..., CatalogIdentity]
) -> None:
    before = newer.read_bytes()
    with pytest.raises(CatalogVersionError):
        Catalog.open(newer)
    with pytest.raises(CatalogVersionError):
        Catalog.create(newer, make_identity())
    assert newer.read_bytes() == before
    assert not newer.with_name("catalog.sqlite-wal").exists()


def test_a_newer_catalog_in_a_read_only_folder_is_called_newer(
    open_folder: Path, newer: Path, read_only: Callable[[], AbstractContextManager[None]]
) -> None:
    place = open_folder / "catalog.sqlite"
    place.write_bytes(newer.read_bytes())
    with read_only(), pytest.raises(CatalogVersionError):
        Catalog.open(place)


def test_a_catalog_that_lost_a_table_is_called_damaged(catalog: Catalog) -> None:
    with catalog.database.writing() as connection:
        connection.execute(text("DROP TABLE embeddings"))
    with pytest.raises(CatalogDamagedError, match="no such table"):
        catalog.images.vectors()
