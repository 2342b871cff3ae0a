"""Opening the catalog's database, its transactions, and what its errors mean to a person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from index.catalog.migrations import MIGRATIONS, migrate, schema_version
from index.errors import (
    CatalogDamagedError,
    CatalogError,
    DiskFullError,
    StoreLockedError,
)

BUSY_TIMEOUT_MS = 10_000
# Of a new SQLite file; one that exists keeps its own. An embedding takes about 2.5 kB: SQLite's
# usual 4 kB pages would hold one each and be empty by a third, these hold six.
PAGE_BYTES = 16_384


class Database:
    """One database, with transactions that either happen whole or not at all.

    SQLite runs in WAL mode: readers see the last committed state and never wait for a writer.
    Every committed transaction is on the disk (`synchronous=FULL`) before `writing` returns.

    Parameters
    ----------
    url
        A SQLAlchemy URL, or the path of an SQLite file.
    """

    def __init__(self, url: str | Path) -> None:
        self.path = url if isinstance(url, Path) else None
        try:
            self.name = str(url) if self.path else make_url(str(url)).render_as_string()
            self._engine = _sqlite_engine(self.path) if self.path else create_engine(str(url))
        except (ArgumentError, ImportError) as error:
            raise CatalogError(
                "ENGINE_CATALOG_URL",
                f"this database cannot be opened ({error})",
                "Write for example postgresql+psycopg://user@host/name",
            ) from None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def migrate(self) -> None:
        """Bring the tables up to date.

        Raises
        ------
        CatalogVersionError
            The database was written by a newer release.
        """
        with self.reading() as connection:
            if schema_version(connection) == len(MIGRATIONS):
                return
        with self.writing() as connection:
            migrate(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one unchanging state of the database."""
        with self._explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end of the block, or leaves no trace."""
        options = self._engine.execution_options(writing=True)
        with self._explained(), options.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise _explain(self.name, error) from error


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(_sqlite_url(path))

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling is switched off, so that a reading transaction
        # is a real one, with a single snapshot (SQLAlchemy's page on pysqlite describes this).
        connection.isolation_level = None
        for pragma in (
            f"page_size={PAGE_BYTES}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _sqlite_url(path: Path) -> URL:
    if os.access(path.parent, os.W_OK):
        return URL.create("sqlite+pysqlite", database=str(path))
    # In a folder that cannot be written SQLite can make no WAL beside the file. Where none is
    # left over the file is complete by itself and may be read as it is.
    wal = path.with_name(path.name + "-wal")
    query = {"uri": "true", "mode": "ro"}
    if not (wal.exists() and wal.stat().st_size):
        query["immutable"] = "1"
    file = f"file:{quote(os.fsencode(path.absolute()))}"
    return URL.create("sqlite+pysqlite", database=file, query=query)


def _explain(name: str, error: DBAPIError) -> CatalogError | StoreLockedError:
    text = str(error.orig)
    lowered = text.lower()
    if "not a database" in lowered or "malformed" in lowered or "no such table" in lowered:
        return CatalogDamagedError(
            name,
            f"the catalog is damaged ({text})",
            "Nothing was changed. Put back a copy of the file, or save what can be read with "
            "`sqlite3 catalog.sqlite .recover`",
        )
    if "full" in lowered or "no space" in lowered or "disk i/o" in lowered:
        return DiskFullError(
            name,
            f"the disk would not take it ({text})",
            "Everything committed before is kept. Free some space and run the command again",
        )
    if "locked" in lowered:
        return StoreLockedError(name, "another process is writing", "Try again when it has ended")
    if "readonly" in lowered or "read-only" in lowered:
        return CatalogError(
            name, "the catalog cannot be written", "Check the permissions of its folder"
        )
    return CatalogError(
        name, f"the database answered: {text}", "Check the file and its permissions"
    )
