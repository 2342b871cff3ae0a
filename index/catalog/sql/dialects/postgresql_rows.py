"""Rows as PostgreSQL takes them soonest: a column is one array, in its binary format.

A statement that names every value would have to be split by psycopg, and parsed by the server, for
longer than it takes to carry out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from secrets import token_hex
from typing import Any

import psycopg
from psycopg.pq import Format
from sqlalchemy import Compiled, Connection, Dialect, Select, Table
from sqlalchemy.exc import DBAPIError, OperationalError

from index.catalog.sql.dialects.postgresql_copy import copied, widen
from index.catalog.sql.dialects.postgresql_types import KINDS, Array, ArrayDumper, Kind, kind_of
from index.catalog.sql.dialects.rows import BulkRows, Row, Upsert
from index.records import Values

# What is remembered of a connection: that libpq reads more of it at a time.
WIDE = "wide"


class _BinaryCursor(psycopg.Cursor[Any]):
    """Rows come in the binary format: an embedding as text has twice its length."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.format = Format.BINARY


class _BinaryServerCursor(psycopg.ServerCursor[Any]):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.format = Format.BINARY


def use_binary(connection: psycopg.Connection[Any]) -> None:
    """Let a new connection take arrays, and give its rows in the binary format."""
    connection.adapters.register_dumper(Array, ArrayDumper)
    connection.cursor_factory = _BinaryCursor
    connection.server_cursor_factory = _BinaryServerCursor


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of some columns of a table.

    Attributes
    ----------
    sql
        What stands for them in a statement.
    arrays
        What it takes, one a column.
    """

    sql: str
    arrays: tuple[Array, ...]

    @classmethod
    def of(
        cls, connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]
    ) -> _Rows:
        kinds = [kind_of(connection.dialect, table.c[name].type) for name in columns]
        types = ", ".join(f"%s::{kind.name}[]" for kind in kinds)
        arrays = tuple(map(Array.of, kinds, columns.values()))
        return cls(f"unnest({types}) AS given({', '.join(columns)})", arrays)


class PostgreSQLRows(BulkRows):
    """Rows written by arrays."""

    def array_of(self, ids: Sequence[int]) -> Array:
        """Return ids as one value of a statement."""
        return Array.of(KINDS["BIGINT"], ids)

    def stream(
        self,
        connection: Connection,
        query: Select[*tuple[Any, ...]],
        parameters: Mapping[str, Any] | None = None,
        size: int = 1024,
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield rows as the driver gives them, however many, with `size` at a time in memory.

        The server holds the others back, of which psycopg would else take all.
        """
        compiled = query.compile(dialect=connection.dialect)
        values = compiled.construct_params(dict(parameters or {})) or {}
        driver: Any = connection.connection.driver_connection
        try:
            with driver.cursor(name=f"rows_{token_hex(8)}") as cursor:
                cursor.execute(str(compiled), values)
                while rows := cursor.fetchmany(size):
                    yield rows
        except psycopg.Error as error:
            raise DBAPIError("fetching rows", None, error) from error

    def answers(
        self, connection: Connection, query: str, values: Any, size: int = 1024
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Ask the driver itself: SQLAlchemy spends as long on a small answer as the server does."""
        driver: Any = connection.connection.driver_connection
        try:
            with driver.cursor() as cursor:
                cursor.execute(query, values or None)
                while rows := cursor.fetchmany(size):
                    yield rows
        except psycopg.Error as error:
            raise _told(connection, driver, query, error) from error

    def columns(
        self,
        connection: Connection,
        query: Select[*tuple[Any, ...]],
        parameters: Mapping[str, Any] | None = None,
        size: int = 1024,
    ) -> Generator[Sequence[Values]]:
        """Yield columns, mostly arrays; the server holds the other rows back."""
        compiled, kinds = _copy(query, connection.dialect)
        values = compiled.construct_params(dict(parameters or {})) or {}
        driver: Any = connection.connection.driver_connection
        try:
            if not connection.info.get(WIDE):
                widen(driver)
                connection.info[WIDE] = True
            yield from copied(driver, str(compiled), values, kinds, size)
        except psycopg.Error as error:
            raise _told(connection, driver, "copying rows", error) from error

    def written(self, connection: Connection, table: Table) -> None:
        """Let the planner count: it would sort all of them to find the first."""
        connection.exec_driver_sql(f"ANALYZE {table.name}")

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows that all have the same columns."""
        if not rows:
            return
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        given = _Rows.of(connection, table, columns)
        into = f"{table.name} ({', '.join(columns)})"
        connection.exec_driver_sql(f"INSERT INTO {into} SELECT * FROM {given.sql}", given.arrays)

    def insert_numbered(
        self, connection: Connection, table: Table, rows: Sequence[Row]
    ) -> list[int]:
        """Insert rows whose key `id` the database chooses; return the keys in their order."""
        query = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
        ids = list(connection.exec_driver_sql(query, (table.name, len(rows))).scalars())
        numbered = [{"id": key, **row} for key, row in zip(ids, rows, strict=True)]
        self.insert(connection, table, numbered)
        return ids

    def upsert(
        self,
        connection: Connection,
        target: Upsert,
        ids: Sequence[int],
        values: Mapping[str, Sequence[Any]],
        unindexed: Sequence[str],
    ) -> None:
        """Do what `Upsert.execute` says.

        `ON CONFLICT` would lock, and so write, the rows that are right already. No index is written
        where its columns keep their values, named or not.
        """
        if not ids:
            return
        name, key = target.table.name, target.key
        given = _Rows.of(connection, target.table, {key: ids, **values})
        changes = ", ".join(f"{column} = given.{column}" for column in values)
        differs = " OR ".join(
            f"{name}.{column} "
            f"{'IS DISTINCT FROM' if column in target.nullable else '<>'} given.{column}"
            for column in values
        )
        filled = ", ".join(
            f"given.{each}" if each in values else filler for each, filler in target.fillers
        )
        # The ends keep the server from reading all of the table for a part of it.
        merge = (
            f"MERGE INTO {name} USING {given.sql} "
            f"ON {name}.{key} = given.{key} AND {name}.{key} BETWEEN %s AND %s "
            f"WHEN MATCHED AND ({differs}) THEN UPDATE SET {changes} "
            f"WHEN NOT MATCHED THEN INSERT ({', '.join(target.names)}) "
            f"VALUES (given.{key}, {filled})"
        )
        connection.exec_driver_sql(merge, (*given.arrays, min(ids), max(ids)))


def _told(connection: Connection, driver: Any, what: str, error: psycopg.Error) -> DBAPIError:
    """Return an error of the driver as SQLAlchemy's; a lost connection is not used again."""
    if driver.closed:
        connection.invalidate(error)
    lost = isinstance(error, psycopg.OperationalError)
    return (OperationalError if lost else DBAPIError)(what, None, error)


@lru_cache(maxsize=32)
def _copy(query: Select[*tuple[Any, ...]], dialect: Dialect) -> tuple[Compiled, Sequence[Kind]]:
    """Return a query as the driver takes it, and the kinds of its columns.

    To put it together takes as long as to read a hundred embeddings.
    """
    kinds = [kind_of(dialect, column.type) for column in query.selected_columns]
    return query.compile(dialect=dialect), kinds
