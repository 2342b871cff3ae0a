"""What differs between the databases that a catalog can live in: SQLite and PostgreSQL.

Nothing else in the project asks which of the two it is. A further database is one more class here.
"""

from __future__ import annotations

import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from index import lock
from index.errors import (
    CatalogDamagedError,
    CatalogError,
    DiskFullError,
    StoreError,
    StoreLockedError,
)

LATER = "Try again when it has ended"
ROOM = "Everything committed before is kept. Free some space and run the command again"


@dataclass(frozen=True, slots=True)
class DatabaseLimits:
    """How a database is used.

    Attributes
    ----------
    busy_seconds
        How long a transaction that writes waits for another one to end.
    page_bytes
        Page size of a new SQLite file; one that exists keeps its own. An embedding takes about
        2.5 kB: SQLite's usual 4 kB pages would hold one each and be empty by a third, these six.
    poll_seconds
        Pause between two attempts at what a database refuses instead of waiting.
    """

    busy_seconds: float = 10.0
    page_bytes: int = 16_384
    poll_seconds: float = 0.05


DEFAULT_LIMITS = DatabaseLimits()


class Dialect(ABC):
    """One database, as far as its kind matters.

    Attributes
    ----------
    name
        As people are told of it, without a password.
    engine
        SQLAlchemy's. A transaction with the execution option `writing` excludes every other such
        transaction of the same catalog from its beginning.
    reading
        Execution options of a transaction that sees one unchanging state.
    read_only
        Whether it is known beforehand that nothing can be written.
    """

    name: str
    engine: Engine
    reading: Mapping[str, Any]
    read_only: bool = False

    @abstractmethod
    def check(self, connection: Connection) -> list[str]:
        """Return what the database itself finds wrong with its file, as sentences."""

    @abstractmethod
    def compact(self, tables: Sequence[str]) -> None:
        """Give back the room of rows that are gone; a process killed meanwhile changes nothing."""

    @abstractmethod
    def explained(self, error: DBAPIError) -> StoreError:
        """Return what an error of the driver means to a person."""

    @abstractmethod
    def writer_lock(self, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the catalog's writer lock; see `Database.writer_lock`."""

    @abstractmethod
    def current_writer(self) -> str | None:
        """Return who holds the writer lock; see `Database.current_writer`."""


class SQLite(Dialect):
    """One file in WAL mode: readers see the last committed state and never wait for a writer.

    Every committed transaction is on the disk (`synchronous=FULL`). The writer lock is a file
    beside it.
    """

    reading: Mapping[str, Any] = {}

    def __init__(self, path: Path, limits: DatabaseLimits) -> None:
        self.name = str(path)
        self.path = path
        self.engine = create_engine(_sqlite_url(path))
        self.read_only = not os.access(path.parent, os.W_OK)

        @event.listens_for(self.engine, "connect")
        def configure(connection: Any, _record: Any) -> None:
            # The driver's own transaction handling is switched off, so that a reading transaction
            # is a real one, with a single snapshot (SQLAlchemy's page on pysqlite describes this).
            connection.isolation_level = None
            for pragma in (
                f"busy_timeout={round(limits.busy_seconds * 1000)}",
                f"page_size={limits.page_bytes}",
                "synchronous=FULL",
                "foreign_keys=ON",
            ):
                connection.execute(f"PRAGMA {pragma}")
            _use_wal(connection, limits)

        @event.listens_for(self.engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")

    def check(self, connection: Connection) -> list[str]:
        """Read every page, and look for rows that refer to rows that do not exist."""
        answers = connection.execute(text("PRAGMA quick_check")).scalars()
        found = [answer for answer in answers if answer != "ok"]
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        return [*found, f"{len(broken)} rows point nowhere"] if broken else found

    def compact(self, tables: Sequence[str]) -> None:
        """Write the file anew, through the log, and empty the log."""
        connection: Any = self.engine.raw_connection()
        try:
            # Not within a transaction, which SQLAlchemy would begin.
            for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                connection.driver_connection.execute(statement)
        except sqlite3.Error as error:
            raise self.explained(DBAPIError("VACUUM", None, error)) from error
        finally:
            connection.close()

    def explained(self, error: DBAPIError) -> StoreError:
        """Go by the words of SQLite's messages; its driver has no codes for all of them."""
        said = str(error.orig)
        words = said.lower()
        if "not a database" in words or "malformed" in words or "no such table" in words:
            return CatalogDamagedError(
                self.name,
                f"the catalog is damaged ({said})",
                "Nothing was changed. Put back a copy of the file, or save what can be read with "
                "`sqlite3 catalog.sqlite .recover`",
            )
        if "full" in words or "no space" in words or "disk i/o" in words:
            return DiskFullError(self.name, f"the disk would not take it ({said})", ROOM)
        if "locked" in words:
            return StoreLockedError(self.name, "another process is writing", LATER)
        if "readonly" in words or "read-only" in words:
            return CatalogError(
                self.name, "the catalog cannot be written", "Check the permissions of its folder"
            )
        return CatalogError(
            self.name, f"the database answered: {said}", "Check the file and its permissions"
        )

    def writer_lock(self, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the file lock of the store that the file lies in."""
        return lock.writer_lock(self.path.parent, wait_seconds=wait_seconds)

    def current_writer(self) -> str | None:
        """Ask the file lock of the store that the file lies in."""
        return lock.current_writer(self.path.parent)


class PostgreSQL(Dialect):
    """A schema of a server's database; the first one of the user's `search_path`.

    The writer lock is an advisory lock of the session that takes it: it keeps apart writers on
    any machine, and goes with its connection. Its keys are `WRITER` and the schema's oid.
    """

    reading: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ"}

    # "engi", and the number after it.
    WRITER, COMMIT = 0x656E6769, 0x656E676A
    SCHEMA = "coalesce((SELECT oid FROM pg_namespace WHERE nspname = current_schema()), 0)::int"
    KEYS = f"{WRITER}, {SCHEMA}"
    HOLDER = (
        "SELECT query FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND "
        "database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        f"AND classid::int = {WRITER} AND objid::int = {SCHEMA}"
    )

    def __init__(self, url: URL, limits: DatabaseLimits) -> None:
        self.name = url.render_as_string()
        # The connection that holds the writer lock is idle: a router would soon forget it.
        self.engine = create_engine(url.set(query={"keepalives_idle": "60", **url.query}))
        self._poll_seconds = limits.poll_seconds
        busy_ms = max(1, round(limits.busy_seconds * 1000))  # 0 would be no limit
        turn = (
            f"SELECT set_config('lock_timeout', '{busy_ms}', true), "
            f"pg_advisory_xact_lock({self.COMMIT}, {self.SCHEMA})"
        )

        @event.listens_for(self.engine, "begin")
        def begin(connection: Connection) -> None:
            if _writes(connection):
                connection.exec_driver_sql(turn)

    def check(self, connection: Connection) -> list[str]:
        """Find nothing: a server checks its own pages, and keeps its foreign keys."""
        return []

    def compact(self, tables: Sequence[str]) -> None:
        """Let new rows take the room of old ones; nobody is kept from reading meanwhile."""
        with self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in tables:
                connection.exec_driver_sql(f"VACUUM (ANALYZE) {table}")

    def explained(self, error: DBAPIError) -> StoreError:
        """Go by SQLSTATE (PostgreSQL's documentation, appendix A); there is none without server."""
        state = getattr(error.orig, "sqlstate", None) or ""
        said = str(error.orig).partition("\n")[0]
        if state in ("42P01", "42703", "XX001", "XX002"):
            return CatalogDamagedError(
                self.name,
                f"the catalog is damaged ({said})",
                "Nothing was changed. Put back a copy of the database",
            )
        if state == "53100":
            return DiskFullError(self.name, f"the disk would not take it ({said})", ROOM)
        if state in ("55P03", "40P01", "40001"):
            return StoreLockedError(self.name, "another process is writing", LATER)
        if state in ("25006", "42501"):
            return CatalogError(
                self.name,
                f"the catalog cannot be read or written ({said})",
                "Check the permissions of the user that ENGINE_CATALOG_URL names",
            )
        lost = not state and isinstance(error, OperationalError)
        if lost or state[:2] in ("08", "28", "3D") or state[:3] == "57P":
            return CatalogError(
                self.name,
                f"the database cannot be reached ({said})",
                "Check that the server runs, and ENGINE_CATALOG_URL",
            )
        return CatalogError(
            self.name, f"the database answered: {said}", "Check it, and ENGINE_CATALOG_URL"
        )

    @contextmanager
    def writer_lock(self, wait_seconds: float) -> Iterator[None]:
        """Hold the advisory lock on a connection of its own, which does nothing else.

        Others read in its last statement, which `pg_stat_activity` shows, who holds the lock.
        """
        attempt = f"{_comment(lock.writer_note())} SELECT pg_try_advisory_lock({self.KEYS})"
        with self.engine.connect() as connection:
            # Autocommit: an idle transaction would hold back the server's vacuum. Detached: closed
            # at the end, and given to nobody else.
            connection.execution_options(isolation_level="AUTOCOMMIT").detach()
            last_attempt = time.monotonic() + wait_seconds
            while not connection.exec_driver_sql(attempt).scalar_one():
                if time.monotonic() >= last_attempt:
                    raise lock.refused(self.name, self._holder(connection) or "")
                time.sleep(self._poll_seconds)
            try:
                yield
            finally:
                with suppress(SQLAlchemyError):  # where the connection broke the lock is gone
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({self.KEYS})")

    def current_writer(self) -> str | None:
        """Ask the server who holds the advisory lock."""
        with self.engine.connect() as connection:
            note = self._holder(connection)
        return None if note is None else lock.described(note)

    def _holder(self, connection: Connection) -> str | None:
        """Return the holder's note, empty where it may not be read, None where nobody holds it."""
        query = connection.exec_driver_sql(self.HOLDER).scalar()
        return None if query is None else query.removeprefix("/* ").partition(" */")[0]


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("writing", False))


def _use_wal(connection: sqlite3.Connection, limits: DatabaseLimits) -> None:
    """Put a new file into WAL mode, in which an older one is already.

    Where several processes do that at once SQLite refuses all but one without waiting.
    """
    last_attempt = time.monotonic() + limits.busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= last_attempt:
                raise
        time.sleep(limits.poll_seconds)


def _comment(note: str) -> str:
    """Return a note as an SQL comment; what would end it, or be a parameter, is escaped JSON."""
    return "/* " + note.replace("*", r"\u002a").replace("%", r"\u0025") + " */"


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
