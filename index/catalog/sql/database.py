"""The catalog's database: its transactions, its writer lock, and statements over many rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import local
from typing import TypeVar

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from index.catalog.paths import PathCodec
from index.catalog.sql.dialects.dialect import DEFAULT_LIMITS, DatabaseLimits, Dialect
from index.catalog.sql.dialects.sqlite import SQLite
from index.catalog.sql.migrations import (
    CHECKSUMS,
    JUDGEMENTS,
    MIGRATIONS,
    READABLE,
    SHARDS,
    Step,
)
from index.catalog.sql.urls import WRITE, database_url, name_of
from index.errors import CatalogDamagedError, CatalogError, CatalogVersionError

# Values that a statement names at most; SQLite's oldest limit on variables is 999.
VALUES_PER_STATEMENT = 900

# The table that tells of all others.
SETTINGS = "settings"

Value = TypeVar("Value")


class Database:
    """One database, with transactions that either happen whole or not at all.

    Parameters
    ----------
    url
        A SQLAlchemy URL, or the path of an SQLite file.
    limits
        How it is used.
    paths
        How the paths of files are stored, where it is not for the place of the database to say.

    Attributes
    ----------
    paths
        How the paths of files are stored.
    version
        The number of the last migration that it has seen, 0 before `migrate`.

    Raises
    ------
    CatalogError
        The URL is wrong, or its driver is missing. Nothing is connected to yet.
    """

    def __init__(
        self,
        url: str | Path,
        limits: DatabaseLimits = DEFAULT_LIMITS,
        *,
        paths: PathCodec | None = None,
    ) -> None:
        self._dialect = _dialect_for(url, limits)
        self.name = self._dialect.name
        self.paths = paths or PathCodec(self._dialect.root)
        engine = self._dialect.engine.execution_options(
            paths=self.paths, bulk=self._dialect.bulk, in_schema=self._dialect.in_schema
        )
        self._readers = engine.execution_options(**self._dialect.reading)
        self._writers = engine.execution_options(writing=True)
        self._claimers = engine.execution_options(writing=not self._dialect.locks_rows)
        self._of_thread = local()
        self.version = 0

    def migrate(self, steps: Sequence[Step] = MIGRATIONS, at_once: Step | None = None) -> None:
        """Apply, all in one transaction, each of `steps` that this database has not seen.

        Where nothing can be written, a catalog of an older release is read as it is.

        Parameters
        ----------
        at_once
            What all `steps` come to, done where there are no tables yet.

        Raises
        ------
        CatalogVersionError
            The database was written by a newer release.
        """
        with self.reading() as connection:
            version = self.version = schema_version(connection, steps)
        if version == len(steps) or (self._dialect.read_only and version >= READABLE):
            return
        with self.writing() as connection:
            version = schema_version(connection, steps)
            missing = steps[version:] if version or at_once is None else (at_once,)
            for apply in missing:
                apply(connection)
            connection.execute(text("DELETE FROM settings WHERE key = 'schema'"))
            connection.execute(
                text("INSERT INTO settings (key, value) VALUES ('schema', :version)"),
                {"version": str(len(steps))},
            )
        self.version = len(steps)

    def has_tables(self) -> bool:
        """Say whether a catalog was made here."""
        with self.reading() as connection:
            return _has_table(connection, SETTINGS)

    @property
    def has_checksums(self) -> bool:
        """Whether stored vectors have checksums; an older catalog is read without."""
        return self.version >= CHECKSUMS

    @property
    def has_judgements(self) -> bool:
        """Whether what people said has tables; an older catalog is read without."""
        return self.version >= JUDGEMENTS

    @property
    def has_shards(self) -> bool:
        """Whether there is a ledger of shards; an older catalog is read without."""
        return self.version >= SHARDS

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that this thread reads inside a `with` block come from one transaction."""
        with self.reading() as connection:
            before = getattr(self._of_thread, "connection", None)
            self._of_thread.connection = connection
            try:
                yield
            finally:
                self._of_thread.connection = before

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one unchanging state of the database.

        Inside `snapshot` it is that one, seen once more.
        """
        shared: Connection | None = getattr(self._of_thread, "connection", None)
        if shared is not None:
            yield shared
            return
        with self._explained(), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end of the block, or leaves no trace.

        Inside `together` it is that one.

        Raises
        ------
        StoreLockedError
            Another one was open for all of `DatabaseLimits.busy_seconds`.
        """
        shared: Connection | None = getattr(self._of_thread, "writing", None)
        if shared is not None:
            yield shared
            return
        with self._explained(), self._writers.begin() as connection:
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all that this thread reads and writes inside a `with` block be one transaction.

        It commits at the end of the block, or leaves no trace.

        Raises
        ------
        StoreLockedError
            Another one was open for all of `DatabaseLimits.busy_seconds`.
        """
        with self.writing() as connection:
            before = getattr(self._of_thread, "connection", None)
            outer = getattr(self._of_thread, "writing", None)
            self._of_thread.connection = self._of_thread.writing = connection
            try:
                yield
            finally:
                self._of_thread.connection, self._of_thread.writing = before, outer

    @contextmanager
    def claiming(self) -> Iterator[Connection]:
        """Open a transaction that writes single rows of the ledger.

        Where the database locks rows it waits for no other transaction of the catalog.
        """
        shared: Connection | None = getattr(self._of_thread, "writing", None)
        if shared is not None:
            yield shared
            return
        with self._explained(), self._claimers.begin() as connection:
            yield connection

    @contextmanager
    def writer_lock(self, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Be the catalog's only writer for the length of a `with` block.

        The lock goes with the process that holds it, however that ends. Readers do not ask for it.

        Parameters
        ----------
        wait_seconds
            How long to wait for another writer to finish.

        Raises
        ------
        StoreLockedError
            There is another writer; the message says who.
        StoreError
            The catalog cannot be written to.
        """
        with self._explained(), self._dialect.writer_lock(wait_seconds):
            yield

    @contextmanager
    def vectors_lock(self, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Be the only one who changes vectors that all who use the catalog share.

        It is another lock than the writer's: a search takes it, too, while somebody writes.

        Parameters
        ----------
        wait_seconds
            How long to wait for another process to finish.

        Raises
        ------
        StoreLockedError
            Another process holds the lock; the message says who.
        StoreError
            Nothing can be written here.
        """
        with self._explained(), self._dialect.vectors_lock(wait_seconds):
            yield

    def current_writer(self) -> str | None:
        """Return who holds the writer lock, None where nobody does."""
        with self._explained():
            return self._dialect.current_writer()

    def problems(self) -> list[str]:
        """Return what the database finds wrong with its own file, as sentences."""
        with self.reading() as connection:
            return self._dialect.check(connection)

    def compact(self, tables: Sequence[str]) -> None:
        """Give back the room of rows that are gone from some tables.

        Raises
        ------
        DiskFullError
            There is no room for a second copy; nothing was changed.
        StoreLockedError
            Another process is writing.
        """
        with self._explained():
            self._dialect.compact(tables)

    def location(self) -> str:
        """Return what tells it from a copy of it: where its file is, or its schema in a server."""
        with self._explained():
            return self._dialect.location()

    def size(self) -> int:
        """Return how many bytes it takes on disk."""
        with self._explained():
            return self._dialect.size()

    def close(self) -> None:
        """Give all connections back."""
        self._dialect.engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._dialect.explained(error) from error


def schema_version(connection: Connection, steps: Sequence[Step] = MIGRATIONS) -> int:
    """Return the number of the last of `steps` that was applied, 0 for an empty database.

    Raises
    ------
    CatalogVersionError
        The database was written by a newer release.
    """
    if not _has_table(connection, SETTINGS):
        return 0
    value = connection.execute(text("SELECT value FROM settings WHERE key = 'schema'")).scalar()
    if value is not None and not str(value).isdecimal():
        raise CatalogDamagedError(
            connection.engine.url.database,
            f"the catalog is damaged (its settings: schema is {value!r})",
            "Nothing was changed. Put back a copy of the file",
        )
    version = int(value) if value is not None else 0
    if version > len(steps):
        raise CatalogVersionError(
            connection.engine.url.database,
            f"the catalog has schema {version}, this release knows {len(steps)}",
            "Upgrade the engine: pip install --upgrade image-engine",
        )
    return version


def _has_table(connection: Connection, name: str) -> bool:
    """Say whether there is a table; on a server only in the schema where it would be made."""
    in_schema = connection.get_execution_options().get("in_schema", False)
    schema = connection.dialect.default_schema_name if in_schema else None
    return inspect(connection).has_table(name, schema=schema)


def chunks_of(values: Sequence[Value], size: int = VALUES_PER_STATEMENT) -> Iterator[list[Value]]:
    """Yield `values` in order, as many at a time as one statement may name."""
    for start in range(0, len(values), size):
        yield list(values[start : start + size])


def _dialect_for(url: str | Path, limits: DatabaseLimits) -> Dialect:
    """Return what knows the database of a SQLAlchemy URL, or of the path of an SQLite file.

    Raises
    ------
    CatalogError
        It is no URL, or one of a database that no catalog can live in, or its driver is missing.
    """
    if isinstance(url, Path):
        return SQLite(url, limits)
    parsed = database_url(url)
    try:
        kind, file = parsed.get_backend_name(), parsed.database
        if kind == "postgresql":
            # Imported here: nearly every catalog is a file.
            from index.catalog.sql.dialects.postgresql import PostgreSQL

            return PostgreSQL(parsed, limits)
        if kind == "sqlite" and file and file != ":memory:":
            return SQLite(Path(file), limits)
        reason, remedy = "it is neither PostgreSQL nor a file of SQLite", WRITE
    except ImportError as error:
        reason = f"its driver is not installed: {error}"
        remedy = "pip install 'image-engine[postgres]'"
    except ArgumentError as error:
        reason, remedy = str(error), WRITE
    raise CatalogError(name_of(parsed), f"this database cannot be opened ({reason})", remedy)
