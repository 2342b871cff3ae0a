"""SQLite: a catalog in one file."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from index.catalog.sql.dialects.dialect import LATER, ROOM, DatabaseLimits, Dialect, writes
from index.catalog.sql.sqlite_files import beside, require_own_files, size
from index.errors import (
    CatalogDamagedError,
    CatalogError,
    DiskFullError,
    ReadOnlyError,
    StoreError,
    StoreLockedError,
    reason_of,
)
from index.files import lock

# What SQLite and its driver say of a file that is not as it was written.
DAMAGE = ("not a database", "malformed", "no such table", "could not decode")


class SQLite(Dialect):
    """One file in WAL mode: readers see the last committed state and never wait for a writer.

    Every committed transaction is on the disk (`synchronous=FULL`). The writer lock is a file
    beside it.
    """

    reading: Mapping[str, Any] = {}

    def __init__(self, path: Path, limits: DatabaseLimits) -> None:
        self.name = str(path)
        self.path = path
        # Of those that are free the one that was used last, which has read most.
        self.engine = create_engine(_sqlite_url(path), pool_use_lifo=True, **limits.pool)
        self.read_only = not os.access(path.parent, os.W_OK)
        self.root = os.path.dirname(os.path.realpath(path.parent))

        @event.listens_for(self.engine, "do_connect")
        def check(*_: Any) -> None:
            require_own_files(path)

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
            if writes(connection):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                # It reads nothing yet, so nothing can be wrong; every search waits for it.
                driver: Any = connection.connection.driver_connection
                driver.execute("BEGIN")

    def check(self, connection: Connection) -> list[str]:
        """Read every page, and look for rows that refer to rows that do not exist."""
        answers = connection.execute(text("PRAGMA quick_check")).scalars()
        found = [answer for answer in answers if answer != "ok"]
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        return [*found, f"{len(broken)} rows point nowhere"] if broken else found

    def location(self) -> str:
        """Return where the file is."""
        return os.path.realpath(self.path)

    def size(self) -> int:
        """Return the bytes of the file and of its log."""
        return (size(self.path) or 0) + (size(beside(self.path, "-wal")) or 0)

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
        if any(damage in words for damage in DAMAGE):
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
            return ReadOnlyError(
                self.name, "the catalog cannot be written", "Check the permissions of its folder"
            )
        return CatalogError(
            self.name, f"the database answered: {said}", "Check the file and its permissions"
        )

    def writer_lock(self, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the file lock of the store that the file lies in."""
        return lock.writer_lock(self.path.parent, wait_seconds=wait_seconds)

    @contextmanager
    def vectors_lock(self, wait_seconds: float) -> Iterator[None]:
        """Hold a file lock in the folder of what is derived."""
        folder = self.path.parent / "index"
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise ReadOnlyError(
                folder, f"it cannot be made ({reason_of(error)})", "Check its permissions"
            ) from None
        with lock.writer_lock(folder, wait_seconds=wait_seconds):
            yield

    def current_writer(self) -> str | None:
        """Ask the file lock of the store that the file lies in."""
        return lock.current_writer(self.path.parent)


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


def _sqlite_url(path: Path) -> URL:
    if os.access(path.parent, os.W_OK):
        return URL.create("sqlite+pysqlite", database=str(path))
    # In a folder that cannot be written SQLite can make no WAL beside the file. Where none is
    # left over the file is complete by itself and may be read as it is.
    query = {"uri": "true", "mode": "ro"}
    if not size(beside(path, "-wal")):
        query["immutable"] = "1"
    file = f"file:{quote(os.fsencode(path.absolute()))}"
    return URL.create("sqlite+pysqlite", database=file, query=query)
