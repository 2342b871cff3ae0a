"""Rows as PostgreSQL takes them soonest: a column is one array, in its binary format.

A statement that names every value would have to be split by psycopg, and parsed by the server, for
longer than it takes to carry out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import numpy as np
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import Column, Connection, Select, Table
from sqlalchemy.exc import DBAPIError

from index.catalog.sql.dialects.rows import BulkRows, Row, Upsert

EPOCH, MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
NULL = b"\xff\xff\xff\xff"


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of PostgreSQL.

    Attributes
    ----------
    name, oid
        As the server knows it.
    code
        NumPy's type of a value as it is sent; None where values are bytes.
    sent
        Makes that of a value.
    """

    name: str
    oid: int
    code: str | None = None
    sent: Callable[[Any], Any] | None = None


# By the name that SQLAlchemy gives a column's type, without a length.
KINDS = {
    "BIGINT": Kind("bigint", 20, ">i8"),
    "INTEGER": Kind("integer", 23, ">i4"),
    "FLOAT": Kind("double precision", 701, ">f8"),
    "BOOLEAN": Kind("boolean", 16, "i1"),
    "TIMESTAMP WITH TIME ZONE": Kind("timestamptz", 1184, ">i8", _microseconds),
    "BYTEA": Kind("bytea", 17),
    "TEXT": Kind("text", 25, None, str.encode),
    "VARCHAR": Kind("text", 25, None, str.encode),
}


@dataclass(frozen=True, slots=True)
class Array:
    """An array of one dimension, as the server's function `array_recv` reads it."""

    data: bytes

    @classmethod
    def of(cls, kind: Kind, values: Sequence[Any]) -> Array:
        """Return the array of some values, None for NULL."""
        has_null = any(value is None for value in values)
        if kind.sent is not None:
            values = [None if value is None else kind.sent(value) for value in values]
        if kind.code is None or has_null:
            elements = _sized(kind, values)
        else:
            code = np.dtype(kind.code)
            rows = np.empty(len(values), [("size", ">i4"), ("value", code)])
            rows["size"], rows["value"] = code.itemsize, values
            elements = rows.tobytes()
        head = struct.pack(">5i", 1, has_null, kind.oid, len(values), 1)
        return cls(head + elements)


def _sized(kind: Kind, values: Sequence[Any]) -> bytes:
    code = np.dtype(kind.code) if kind.code else None
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(NULL)
            continue
        data = value if code is None else np.array(value, code).tobytes()
        parts += (len(data).to_bytes(4, "big"), data)
    return b"".join(parts)


class _ArrayDumper(Dumper):
    """Sends an array as it is; the statement says of what type it is."""

    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj.data


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
    connection.adapters.register_dumper(Array, _ArrayDumper)
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
        kinds = [_kind(connection, table.c[name]) for name in columns]
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
        values = compiled.construct_params(parameters)
        driver: Any = connection.connection.driver_connection
        try:
            with driver.cursor(name=f"rows_{token_hex(8)}") as cursor:
                cursor.execute(str(compiled), values)
                while rows := cursor.fetchmany(size):
                    yield rows
        except psycopg.Error as error:
            raise DBAPIError("fetching rows", None, error) from error

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
            f"{name}.{column} IS DISTINCT FROM given.{column}" for column in values
        )
        # The ends keep the server from reading all of the table for a part of it.
        same = f"{name}.{key} = given.{key} AND {name}.{key} BETWEEN %s AND %s"
        taken = (*given.arrays, min(ids), max(ids))
        update = f"UPDATE {name} SET {changes} FROM {given.sql} WHERE {same} AND ({differs})"
        connection.exec_driver_sql(update, taken)
        columns = (each if each in values else filler for each, filler in target.fillers)
        insert = (
            f"INSERT INTO {name} ({', '.join(target.names)}) SELECT {key}, {', '.join(columns)} "
            f"FROM {given.sql} WHERE NOT EXISTS (SELECT FROM {name} WHERE {same})"
        )
        connection.exec_driver_sql(insert, taken)


def _kind(connection: Connection, column: Column[Any]) -> Kind:
    name = column.type.compile(dialect=connection.dialect)
    return KINDS[name.partition("(")[0]]
