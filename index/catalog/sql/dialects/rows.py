"""Rows written in bulk."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Select, Table, insert
from sqlalchemy.exc import DBAPIError

from index.records import Values

# Values of some rows, by column: of every row, or of every column, as is at hand.
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Upsert:
    """Rows inserted in bulk, or changed where there are rows of the same key.

    Attributes
    ----------
    table
        Where.
    key
        The name of its integer key.
    fillers
        Every other column, with the SQL that stands for its value where that is not given.
    nullable
        Columns that may be NULL, which databases compare in different ways.
    rows_per_statement
        Of at most some five values each: SQLite takes 32,766 values in one statement.
    """

    table: Table
    key: str
    fillers: tuple[tuple[str, str], ...]
    nullable: frozenset[str] = frozenset()
    rows_per_statement: int = 512

    def execute(
        self,
        connection: Connection,
        ids: Sequence[int],
        values: Mapping[str, Sequence[Any]],
        *,
        unindexed: Sequence[str] = (),
    ) -> None:
        """Insert rows of all columns, or set those in `values` of rows that differ there.

        Parameters
        ----------
        unindexed
            Columns of no index. Where one of these alone is new, no index is to be written.
        """
        bulk_of(connection).upsert(connection, self, ids, values, unindexed)

    @property
    def names(self) -> list[str]:
        """All columns, the key first."""
        return [self.key, *(name for name, _ in self.fillers)]


class BulkRows:
    """How rows are written in bulk, where a database has no way of its own."""

    def array_of(self, ids: Sequence[int]) -> object | None:
        """Return ids as one value of a statement, None where a database has no arrays."""
        return None

    def stream(
        self,
        connection: Connection,
        query: Select[*tuple[Any, ...]],
        parameters: Mapping[str, Any] | None = None,
        size: int = 1024,
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield rows as the driver gives them, however many, with `size` at a time in memory."""
        yield from driver_rows(connection.execute(query, parameters or {}), size)

    def answers(
        self, connection: Connection, query: str, values: Any, size: int = 1024
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield the rows of a query as text, `size` at a time, as the driver gives them.

        Parameters
        ----------
        values
            What its parameters stand for, as the driver takes it.
        """
        yield from driver_rows(connection.exec_driver_sql(query, values), size)

    def columns(
        self,
        connection: Connection,
        query: Select[*tuple[Any, ...]],
        parameters: Mapping[str, Any] | None = None,
        size: int = 1024,
    ) -> Generator[Sequence[Values]]:
        """Yield the columns of rows of numbers, bytes and texts, `size` rows at a time.

        Until it has ended or is closed the connection may do nothing else.
        """
        for rows in self.stream(connection, query, parameters, size):
            yield list(zip(*rows, strict=True))

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows that all have the same columns."""
        if rows:
            connection.execute(insert(table), rows)

    def written(self, connection: Connection, table: Table) -> None:
        """Let the database know that very many rows of a table are others now."""

    def insert_numbered(
        self, connection: Connection, table: Table, rows: Sequence[Row]
    ) -> list[int]:
        """Insert rows whose key `id` the database chooses; return the keys in their order."""
        if not rows:
            return []
        statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return list(connection.execute(statement, rows).scalars())

    def upsert(
        self,
        connection: Connection,
        target: Upsert,
        ids: Sequence[int],
        values: Mapping[str, Sequence[Any]],
        unindexed: Sequence[str],
    ) -> None:
        """Do what `Upsert.execute` says."""
        if unindexed:
            # In a statement of their own: SQLite writes an index whose columns are named.
            first = {name: values[name] for name in unindexed}
            self.upsert(connection, target, ids, first, ())
            values = {name: column for name, column in values.items() if name not in unindexed}
        if not values:
            return
        # In the order of the statement, whatever the caller's.
        change = [name for name, _ in target.fillers if name in values]
        columns = [ids, *(values[name] for name in change)]
        width = len(columns)
        for start in range(0, len(ids), target.rows_per_statement):
            stop = min(start + target.rows_per_statement, len(ids))
            flat: list[Any] = [None] * (width * (stop - start))
            for position, column in enumerate(columns):
                flat[position::width] = column[start:stop]
            statement = _upsert_sql(target, stop - start, tuple(change))
            connection.exec_driver_sql(statement, tuple(flat))


def bulk_of(connection: Connection) -> BulkRows:
    """Return how the database that a connection leads to writes rows in bulk."""
    bulk: BulkRows = connection.get_execution_options()["bulk"]
    return bulk


def driver_rows(found: CursorResult[Any], size: int = 1024) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield rows as the driver's own cursor gives them, `size` at a time.

    SQLAlchemy would make an object of every row, which takes longer than to read it.

    Raises
    ------
    DBAPIError
        What SQLAlchemy makes of an error of the driver.
    """
    driver_error = found.connection.dialect.loaded_dbapi.Error
    try:
        while found.cursor and (rows := found.cursor.fetchmany(size)):
            yield rows
    except driver_error as error:
        raise DBAPIError("fetching rows", None, error) from error


@lru_cache(maxsize=16)
def _upsert_sql(target: Upsert, rows: int, change: tuple[str, ...]) -> str:
    """Return an upsert of many rows as the driver takes it.

    SQLAlchemy would spend more on putting so large a statement together than the database does on
    carrying it out.
    """
    given = ["?", *("?" if name in change else sql for name, sql in target.fillers)]
    row = f"({', '.join(given)})"
    statement = (
        f"INSERT INTO {target.table.name} ({', '.join(target.names)}) "
        f"VALUES {', '.join([row] * rows)} ON CONFLICT ({target.key}) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in change)}"
    )
    if target.nullable.intersection(change):
        return statement
    differs = " OR ".join(f"{target.table.name}.{name} <> excluded.{name}" for name in change)
    return f"{statement} WHERE {differs}"
