"""PostgreSQL: a catalog in a schema of a server's database."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from index.catalog.sql.dialects.dialect import LATER, ROOM, DatabaseLimits, Dialect, writes
from index.catalog.sql.dialects.postgresql_rows import PostgreSQLRows, use_binary
from index.catalog.sql.urls import name_of
from index.errors import (
    CatalogDamagedError,
    CatalogError,
    DiskFullError,
    StoreError,
    StoreLockedError,
)
from index.files import lock

# `server_version_num` of the first release that knows MERGE.
OLDEST = 150_000
SCHEMA_NAMED = "?options=-csearch_path%3DNAME at the end of the URL"


class PostgreSQL(Dialect):
    """A schema of a server's database; the first one of the user's `search_path`.

    The writer lock is an advisory lock of the session that takes it: it keeps apart writers on
    any machine, and goes with its connection. Its keys are `WRITER` and the schema's oid.
    """

    reading: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ"}
    bulk = PostgreSQLRows()
    in_schema = True
    locks_rows = True

    # "engi", and the numbers after it.
    WRITER, COMMIT, VECTORS = 0x656E6769, 0x656E676A, 0x656E676B
    SCHEMA = "coalesce((SELECT oid FROM pg_namespace WHERE nspname = current_schema()), 0)::int"
    HOLDER = (
        "SELECT query FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND "
        "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )

    SIZE = (
        "SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0) FROM pg_class "
        "JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE nspname = current_schema() AND relkind = 'r'"
    )

    def __init__(self, url: URL, limits: DatabaseLimits) -> None:
        self.name = name_of(url)
        url = url.set(query={**_connecting(), **url.query, "client_encoding": "utf8"})
        self.engine = create_engine(url, **limits.pool)

        @event.listens_for(self.engine, "connect")
        def connect(connection: psycopg.Connection[Any], record: object) -> None:
            self._require_known(connection.info.server_version)
            use_binary(connection)

        self._poll_seconds = limits.poll_seconds
        busy_ms = max(1, round(limits.busy_seconds * 1000))  # 0 would be no limit
        turn = (
            f"SELECT set_config('lock_timeout', '{busy_ms}', true), "
            f"pg_advisory_xact_lock({self.COMMIT}, {self.SCHEMA})"
        )

        @event.listens_for(self.engine, "begin")
        def begin(connection: Connection) -> None:
            if writes(connection):
                connection.exec_driver_sql(turn)

    def check(self, connection: Connection) -> list[str]:
        """Find nothing: a server checks its own pages, and keeps its foreign keys."""
        return []

    def location(self) -> str:
        """Return the names of database and schema: hosts have several names."""
        with self.engine.connect() as connection:
            names = "SELECT current_database() || '.' || coalesce(current_schema(), '')"
            return str(connection.exec_driver_sql(names).scalar_one())

    def size(self) -> int:
        """Return the bytes of the schema's tables, with their indexes and long values."""
        with self.engine.connect() as connection:
            return int(connection.exec_driver_sql(self.SIZE).scalar_one())

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
        if state == "42P07":
            return CatalogError(
                self.name,
                f"the schema holds tables of another program ({said})",
                f"Nothing was changed. Name another schema: {SCHEMA_NAMED}",
            )
        if state in ("42P01", "42703", "XX001", "XX002"):
            return CatalogDamagedError(
                self.name,
                f"the catalog is damaged, or these are tables of another program ({said})",
                "Nothing was changed. Put back a copy of the database, or name another schema: "
                f"{SCHEMA_NAMED}",
            )
        if state == "53100":
            return DiskFullError(self.name, f"the disk would not take it ({said})", ROOM)
        if state in ("55P03", "40P01", "40001"):
            return StoreLockedError(self.name, "another process is writing", LATER)
        if state in ("25006", "42501"):
            return CatalogError(
                self.name,
                f"the catalog cannot be read or written ({said})",
                "Check what its user may do",
            )
        lost = not state and isinstance(error, OperationalError)
        if lost or state[:2] in ("08", "28", "3D") or state[:3] == "57P":
            return CatalogError(
                self.name,
                f"the database cannot be reached ({said})",
                "Check that the server runs, and the URL",
            )
        return CatalogError(self.name, f"the database answered: {said}", "Check it, and the URL")

    def writer_lock(self, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the writer's advisory lock; see `_advisory_lock`."""
        return self._advisory_lock(self.WRITER, wait_seconds)

    def vectors_lock(self, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the advisory lock of who changes shared vectors, on any machine."""
        return self._advisory_lock(self.VECTORS, wait_seconds)

    def _require_known(self, version: int) -> None:
        """Insist on a server that knows the statements which are sent to it."""
        if version < OLDEST:
            raise CatalogError(
                self.name,
                f"the server is PostgreSQL {version // 10_000}, which is too old",
                f"Take one of PostgreSQL {OLDEST // 10_000} or later",
            )

    @contextmanager
    def _advisory_lock(self, key: int, wait_seconds: float) -> Iterator[None]:
        """Hold an advisory lock on a connection of its own, which does nothing else.

        Others read in its last statement, which `pg_stat_activity` shows, who holds the lock.
        """
        keys = f"{key}, {self.SCHEMA}"
        attempt = f"{_comment(lock.writer_note())} SELECT pg_try_advisory_lock({keys})"
        with self.engine.connect() as connection:
            # Autocommit: an idle transaction would hold back the server's vacuum. Detached: closed
            # at the end, and given to nobody else.
            connection.execution_options(isolation_level="AUTOCOMMIT").detach()
            last_attempt = time.monotonic() + wait_seconds
            while not connection.exec_driver_sql(attempt).scalar_one():
                if time.monotonic() >= last_attempt:
                    raise lock.refused(self.name, self._holder(connection, key) or "")
                time.sleep(self._poll_seconds)
            try:
                yield
            finally:
                with suppress(SQLAlchemyError):  # where the connection broke the lock is gone
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({keys})")

    def current_writer(self) -> str | None:
        """Ask the server who holds the advisory lock."""
        with self.engine.connect() as connection:
            note = self._holder(connection, self.WRITER)
        return None if note is None else lock.described(note)

    def _holder(self, connection: Connection, key: int) -> str | None:
        """Return the holder's note, empty where it may not be read, None where nobody holds it."""
        holder = f"{self.HOLDER} AND classid::int = {key} AND objid::int = {self.SCHEMA}"
        query = connection.exec_driver_sql(holder).scalar()
        return None if query is None else query.removeprefix("/* ").partition(" */")[0]


def _connecting() -> dict[str, str]:
    """Return how to connect where neither the URL nor the environment says so.

    The connection that holds the writer lock is idle: a router would soon forget it. A host that
    does not answer is not waited for as long as the system would, some two minutes.
    """
    own = {"keepalives_idle": "60"}
    if not {"PGCONNECT_TIMEOUT", "PGSERVICE"} & {*os.environ}:
        own["connect_timeout"] = "10"
    return own


def _comment(note: str) -> str:
    """Return a note as an SQL comment; what would end it, or be a parameter, is escaped JSON."""
    return "/* " + note.replace("*", r"\u002a").replace("%", r"\u0025") + " */"
