"""Catalogs on both kinds of database: an SQLite file, and a schema of a PostgreSQL server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.paths import PathCodec
from index.catalog.sql.database import Database
from index.catalog.tables.images import Batch
from index.records import CatalogIdentity, Named

# A test on the server takes a tenth of a second, and there are two hundred of them.
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
RELATIVE = "relative"

MakeIdentity = Callable[..., CatalogIdentity]
NewDatabase = Callable[[str], "str | Path"]


@pytest.fixture(scope="session")
def new_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> NewDatabase:
    """Return a place for a catalog in a database of the given kind, where there is none yet."""

    def make(kind: str) -> str | Path:
        if kind == "sqlite":
            return tmp_path_factory.mktemp("database") / "catalog.sqlite"
        schema: Callable[[], str] = request.getfixturevalue("new_schema")
        return schema()

    return make


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, new_database: NewDatabase) -> str | Path:
    """A place for a catalog in either kind of database."""
    return new_database(request.param)


def _created(kind: str, new_database: NewDatabase, identity: CatalogIdentity) -> Catalog:
    """Return an empty catalog in a database of a kind; the relative one stores no path whole."""
    if kind != RELATIVE:
        return Catalog.create(new_database(kind), identity)
    file = new_database("sqlite")
    Catalog.create(file, identity).close()
    database = Database(file, paths=PathCodec(os.sep))
    database.migrate()
    return Catalog(database, identity)


@pytest.fixture(params=[*DATABASES, RELATIVE])
def catalog(
    request: pytest.FixtureRequest, new_database: NewDatabase, make_identity: MakeIdentity
) -> Iterator[Catalog]:
    """An empty catalog in either kind of database, and in one that stores every path relative."""
    with _created(request.param, new_database, make_identity()) as made:
        yield made


@pytest.fixture
def url_catalog(database_url: str | Path, make_identity: MakeIdentity) -> Iterator[Catalog]:
    """An empty catalog at `database_url`."""
    with Catalog.create(database_url, make_identity()) as made:
        yield made


@pytest.fixture
def file_catalog(tmp_path: Path, make_identity: MakeIdentity) -> Iterator[Catalog]:
    """An empty catalog at `tmp_path / "catalog.sqlite"`."""
    with Catalog.create(tmp_path / "catalog.sqlite", make_identity()) as made:
        yield made


@pytest.fixture(params=DATABASES)
def new_catalog(
    request: pytest.FixtureRequest, new_database: NewDatabase, make_identity: MakeIdentity
) -> Callable[..., AbstractContextManager[Catalog]]:
    """Make an empty catalog of an identity, for the length of a `with` block."""

    @contextmanager
    def make(**identity: Any) -> Iterator[Catalog]:
        with Catalog.create(new_database(request.param), make_identity(**identity)) as catalog:
            yield catalog

    return make


@pytest.fixture(scope="module", params=[*DATABASES, RELATIVE])
def shared_catalog(
    request: pytest.FixtureRequest, new_database: NewDatabase, make_identity: MakeIdentity
) -> Iterator[Catalog]:
    """One catalog for all examples of a property; each example tidies up after itself."""
    with _created(request.param, new_database, make_identity()) as made:
        yield made


@pytest.fixture
def ids(catalog: Catalog, make_batch: Callable[..., Batch]) -> list[int]:
    """The ids of three images in `catalog`: two quilts and a lamp."""
    batch = make_batch(["/a", "/b", "/c"], categories=["quilt", "lamp", "quilt"])
    return catalog.images.store(batch)


@pytest.fixture(scope="session")
def change_heads() -> Callable[..., None]:
    """Put or delete a head; from then on a head named furniture says one thing of every image."""

    def change(
        catalog: Catalog,
        ids: list[int],
        name: str,
        *,
        put: tuple[str, bytes] | None = None,
        delete: str | None = None,
    ) -> None:
        count = len(ids)
        named = Named(
            [("furniture", name)],
            np.zeros(count, np.int64),
            np.full(count, 0.75, np.float32),
            np.zeros(count, np.bool_),
        )
        parts = [(np.array(ids, np.int64), named)]
        catalog.change_heads(put=put, delete=delete, names=named.names, parts=parts)

    return change
