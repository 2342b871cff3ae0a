"""What a catalog says before SQLAlchemy is there: a hint, or nothing, and never an error."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from index.catalog.catalog import Catalog
from index.catalog.sql.database import Database
from index.catalog.sql.peek import peek_identity
from index.records import CatalogIdentity

Identify = Callable[..., CatalogIdentity]


@pytest.fixture
def file(tmp_path: Path, make_identity: Identify) -> Path:
    """The database of a catalog, closed."""
    path = tmp_path / "catalog.sqlite"
    Catalog.create(path, make_identity()).close()
    return path


def test_a_peek_tells_what_the_open_catalog_tells(file: Path) -> None:
    with Catalog.open(file) as catalog:
        assert peek_identity(file) == catalog.identity


def test_the_file_may_have_any_name(tmp_path: Path, make_identity: Identify) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a b?mode=rw&c#d%20\xff"))
    folder.mkdir()
    path = folder / "catalog.sqlite"
    path.write_bytes(_bytes_of_a_catalog(tmp_path, make_identity()))
    assert peek_identity(path) == make_identity()


def _bytes_of_a_catalog(folder: Path, identity: CatalogIdentity) -> bytes:
    path = folder / "made.sqlite"
    Catalog.create(path, identity).close()
    return path.read_bytes()


def test_where_there_is_no_file_there_is_no_hint_and_no_file_afterwards(tmp_path: Path) -> None:
    assert peek_identity(tmp_path / "catalog.sqlite") is None
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_that_belongs_to_no_backbone_yet_gives_no_hint(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    database = Database(path)
    database.migrate()
    database.close()
    assert peek_identity(path) is None


@pytest.mark.parametrize("content", [b"", b"no database" * 100, b"SQLite format 3\0" + b"x" * 999])
def test_a_damaged_file_gives_no_hint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(content)
    assert peek_identity(path) is None


def test_settings_that_make_no_sense_give_no_hint(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE settings SET value = 'many' WHERE key = 'dim'")
    connection.close()
    assert peek_identity(file) is None


def test_a_catalog_on_a_server_gives_no_hint() -> None:
    assert peek_identity("postgresql+psycopg://nobody@localhost/none") is None


def test_a_writer_at_work_is_no_hindrance(file: Path, make_identity: Identify) -> None:
    with Catalog.open(file) as catalog, catalog.database.writing():
        assert peek_identity(file) == make_identity()


def test_nothing_is_left_beside_the_file_once_the_catalog_was_open(file: Path) -> None:
    peek_identity(file)
    Catalog.open(file).close()
    assert list(file.parent.iterdir()) == [file]
