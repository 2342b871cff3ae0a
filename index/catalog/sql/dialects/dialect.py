"""What differs between the databases that a catalog can live in.

Nothing outside this folder asks which of them it is. A further database is one more file here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from index.catalog.sql.dialects.rows import BulkRows
from index.errors import StoreError

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
    connections
        So many stay open when nobody uses them. More are opened where more threads ask: how many
        ask at a time is for those to bound who start them, and nobody waits here.
    """

    busy_seconds: float = 10.0
    page_bytes: int = 16_384
    poll_seconds: float = 0.05
    connections: int = 32

    @property
    def pool(self) -> dict[str, Any]:
        """How SQLAlchemy keeps connections, as arguments of `create_engine`."""
        return {"pool_size": self.connections, "max_overflow": -1}


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
    root
        The real path of the folder that the store lies in, where the catalog is a file of it.
    bulk
        How rows are written in bulk.
    in_schema
        Whether other schemas of the same database may hold tables of the same names.
    locks_rows
        Whether transactions that change different rows need not wait for each other.
    """

    name: str
    engine: Engine
    reading: Mapping[str, Any]
    read_only: bool = False
    root: str | None = None
    bulk: BulkRows = BulkRows()
    in_schema: bool = False
    locks_rows: bool = False

    @abstractmethod
    def check(self, connection: Connection) -> list[str]:
        """Return what the database itself finds wrong with its file, as sentences."""

    @abstractmethod
    def location(self) -> str:
        """Return what tells the database from a copy of it; see `Database.location`."""

    @abstractmethod
    def size(self) -> int:
        """Return how many bytes the catalog takes on disk."""

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
    def vectors_lock(self, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the lock of shared vectors; see `Database.vectors_lock`."""

    @abstractmethod
    def current_writer(self) -> str | None:
        """Return who holds the writer lock; see `Database.current_writer`."""


def writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("writing", False))
