"""Paths that are stored whole, of a store that was made or moved above them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from index.catalog.catalog import Catalog
from index.catalog.paths import PathCodec
from index.catalog.sql.database import Database
from index.catalog.sql.migrations import MIGRATIONS
from index.catalog.tables.filters import Filter
from index.catalog.tables.images import Batch
from index.records import CatalogIdentity

MakeBatch = Callable[..., Batch]
PATHS = ["/shop/a.jpg", "/shop/caf\udce9/b.jpg", "/other/c.jpg"]


def _stored(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(text("SELECT path FROM images ORDER BY id")).scalars())


@pytest.fixture
def whole(
    tmp_path: Path, make_identity: Callable[..., CatalogIdentity], make_batch: MakeBatch
) -> Path:
    """A catalog of `PATHS`, all of them stored whole."""
    file = tmp_path / "catalog.sqlite"
    Catalog.create(file, make_identity()).close()
    with _opened(file, None, make_identity()) as catalog:
        catalog.images.store(make_batch(PATHS))
    return file


def _opened(file: Path, root: str | None, identity: CatalogIdentity) -> Catalog:
    database = Database(file, paths=PathCodec(root))
    database.migrate()
    return Catalog(database, identity)


def test_paths_of_an_older_catalog_become_relative(whole: Path) -> None:
    database = Database(whole, paths=PathCodec("/shop"))
    with database.writing() as connection:
        connection.execute(text("UPDATE settings SET value = '6' WHERE key = 'schema'"))
    database.migrate(MIGRATIONS[:7])
    assert _stored(database) == ["./a.jpg", "fsbytes:./caf%E9/b.jpg", "/other/c.jpg"]
    database.close()


def test_an_older_catalog_that_cannot_be_written_is_read_as_it_is(
    whole: Path, make_identity: Callable[..., CatalogIdentity]
) -> None:
    with _opened(whole, "/shop", make_identity()) as catalog:
        assert list(catalog.images.known(["/shop"])) == PATHS[:2]
        for clauses in (["path=/shop/a.jpg"], ["path~/shop/a*"]):
            [found] = catalog.images.matching(Filter.parse(clauses)).tolist()
            assert catalog.images.rows([found])[found].path == "/shop/a.jpg"


def test_paths_that_a_moved_store_lies_above_become_relative(
    whole: Path, make_identity: Callable[..., CatalogIdentity]
) -> None:
    with _opened(whole, "/other", make_identity()) as catalog:
        catalog.images.rebase()
        assert _stored(catalog.database) == ["/shop/a.jpg", "fsbytes:/shop/caf%E9/b.jpg", "./c.jpg"]
        assert sorted(catalog.images.known(["/"])) == sorted(PATHS)


def test_where_nothing_is_stored_whole_nothing_is_written(
    whole: Path, make_identity: Callable[..., CatalogIdentity]
) -> None:
    with _opened(whole, "/elsewhere", make_identity()) as catalog:
        before = whole.stat().st_mtime_ns, catalog.state()
        catalog.images.rebase()
        assert (whole.stat().st_mtime_ns, catalog.state()) == before


@pytest.mark.parametrize("name", ["a.jpg", "caf\udce9.jpg"])
def test_an_image_whose_place_a_moved_one_takes_is_forgotten(
    tmp_path: Path,
    make_identity: Callable[..., CatalogIdentity],
    make_batch: MakeBatch,
    name: str,
) -> None:
    file = tmp_path / "catalog.sqlite"
    Catalog.create(file, make_identity()).close()
    with _opened(file, "/old", make_identity()) as catalog:
        stays, goes = catalog.images.store(make_batch([f"/old/{name}", f"/new/{name}"]))
    with _opened(file, "/new", make_identity()) as catalog:
        catalog.images.rebase()
        assert {image.id for image in catalog.images.known(["/"]).values()} == {stays}
        assert catalog.images.rows([stays, goes]).keys() == {stays}


@pytest.mark.parametrize("root", ["/", "/shop", "/\udcff", "/shop/caf\udce9"])
def test_what_filters_find_does_not_depend_on_how_paths_are_stored(
    tmp_path: Path, make_identity: Callable[..., CatalogIdentity], make_batch: MakeBatch, root: str
) -> None:
    paths = [*PATHS, "/\udcff/d.jpg", "/shop/caf\udce9/E.JPG", "/shop.jpg"]
    found: list[list[set[str]]] = []
    for kind in (None, root):
        file = tmp_path / str(kind is None) / "catalog.sqlite"
        file.parent.mkdir()
        Catalog.create(file, make_identity()).close()
        with _opened(file, kind, make_identity()) as catalog:
            ids = catalog.images.store(make_batch(paths))
            rows = catalog.images.rows(ids)
            found.append(
                [
                    {rows[key].path for key in catalog.images.matching(Filter.parse([clause]))}
                    for clause in _clauses(paths)
                ]
            )
    assert found[0] == found[1]
    assert all(found[0])


def _clauses(paths: list[str]) -> list[str]:
    globs = [os.path.join(os.path.dirname(path), "*") for path in paths]
    exact = [f"path{operator}{path}" for path in paths for operator in ("=", "!=")]
    return [*exact, *(f"path~{glob}" for glob in [*globs, "*.jpg", "/SHOP*", "*shop/?.jpg"])]
