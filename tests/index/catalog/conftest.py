"""Catalogs on both kinds of database: an SQLite file, and a schema of a PostgreSQL server.

The server is one of the tests' own, on a socket in a folder of its own: that of the package
`pgserver`, or the system's. `ENGINE_TEST_POSTGRES` names another one, as a SQLAlchemy URL of a
database in which the tests may make schemas.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, make_url, text

from index.catalog.catalog import Catalog
from index.catalog.paths import PathCodec
from index.catalog.sql.database import Database
from index.catalog.tables.images import Batch
from index.records import CatalogIdentity, Named
from tests.support.permissions import NOBODY

# A test on the server takes a tenth of a second, and there are two hundred of them.
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
RELATIVE = "relative"
SETTINGS = "-h '' -k {folder} -c fsync=off -c shared_buffers=16MB"

MakeIdentity = Callable[..., CatalogIdentity]
NewDatabase = Callable[[str], "str | Path"]


def _programs() -> Path:
    """Return the folder of `initdb` and `pg_ctl`; skip where there is none."""
    package = importlib.util.find_spec("pgserver")
    if package is not None and package.origin:
        # Not imported: that would make folders and locks which only its own functions need.
        return Path(package.origin).parent / "pginstall" / "bin"
    found = shutil.which("initdb")
    if found is None:
        pytest.skip("no PostgreSQL server (pip install pgserver, or set ENGINE_TEST_POSTGRES)")
    return Path(found).resolve().parent


def _not_root(folder: Path) -> dict[str, Any]:
    """Return how a program of the server is run in `folder`; it refuses root."""
    root = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return {"cwd": folder, **(root if os.geteuid() == 0 else {})}


def _run(folder: Path, program: str, *arguments: str) -> None:
    command = [str(_programs() / program), "-D", str(folder / "data"), *arguments]
    with (folder / "output").open("ab") as output:
        subprocess.run(command, stdout=output, stderr=output, check=True, **_not_root(folder))


@contextmanager
def _ended_with_us(folder: Path) -> Iterator[None]:
    """Stop the server at the end of the block, or of this process where it is killed."""
    stop = 'cat; "$0" -D data -w -m immediate stop > /dev/null 2>&1; rm -rf data'
    with subprocess.Popen(
        ["sh", "-c", stop, str(_programs() / "pg_ctl")],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is not meant for it
        **_not_root(folder),
    ):
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of an empty database on a PostgreSQL server, which ends with the tests."""
    pytest.importorskip("psycopg")
    if given := os.environ.get("ENGINE_TEST_POSTGRES"):
        yield given
        return
    _programs()
    # Short: the path of a socket may have some 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="engine-pg-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        try:
            _run(folder, "initdb", "-N", "-A", "trust", "-U", "engine", "-E", "UTF8", "--locale=C")
            _run(folder, "pg_ctl", "-w", "-o", SETTINGS.format(folder=folder), "start")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"PostgreSQL does not start here ({error})")
        with _ended_with_us(folder):
            yield f"postgresql+psycopg://engine@/postgres?host={folder}"
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def new_schema(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Make an empty schema on the server; return the URL under which it is a database."""
    server = create_engine(postgres_server)
    numbers, made = count(), []
    # A server that ends with the tests need not be tidied.
    stays = "ENGINE_TEST_POSTGRES" in os.environ

    def make() -> str:
        name = f"engine_{os.getpid()}_{next(numbers)}"
        with server.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {name}"))
        made.append(name)
        url = make_url(postgres_server).update_query_dict({"options": f"-csearch_path={name}"})
        return url.render_as_string(hide_password=False)

    yield make
    for name in made if stays else ():
        with server.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    server.dispose()


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
