"""Rows as `COPY … TO STDOUT` sends them, read by columns.

The server has no row to describe and the client none to make: rows of one length are one block of
memory, whose columns are arrays. The format: PostgreSQL's documentation of COPY, "Binary Format".
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn

from index.catalog.sql.dialects.postgresql_types import Kind
from index.records import Values

# The signature, flags, and the length of what would follow them; it comes with the first row.
HEAD = 19
# Bytes that libpq takes of a socket at a time once it had a message of as many: until then it asks
# for some 8 kB, and client and server wait for each other at every third embedding.
BUFFER = 1 << 20
# A row begins with the number of its columns, -1 after the last; a value with its length.
COLUMNS, LENGTH = struct.Struct(">h"), struct.Struct(">i")

Row = memoryview | bytes | bytearray
# Where a value lies in its row, None where it is NULL.
Extent = slice | None


def copied(
    connection: psycopg.Connection[Any],
    query: str,
    parameters: Mapping[str, Any],
    kinds: Sequence[Kind],
    size: int,
) -> Generator[list[Values]]:
    """Yield the columns of a query's rows, `size` rows at a time; see `BulkRows.columns`.

    Parameters
    ----------
    kinds
        Of the columns.
    """
    if not parameters:
        # psycopg would leave a sign that was doubled for its sake as it is.
        query = query.replace("%%", "%")
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", parameters) as copy:
        rows: list[Row] = []
        for row in _rows(connection, copy):
            rows.append(row)
            if len(rows) == size:
                yield _columns(rows, kinds)
                rows = []
        if rows:
            yield _columns(rows, kinds)


def widen(connection: psycopg.Connection[Any]) -> None:
    """Let libpq's buffer grow to `BUFFER`; it stays so as long as the connection does."""
    connection.execute("SELECT repeat('.', %s)", (BUFFER,)).close()


def _rows(connection: psycopg.Connection[Any], copy: psycopg.Copy) -> Iterator[Row]:
    """Yield the rows of a copy."""
    head = HEAD
    for message in _messages(connection.pgconn, copy):
        row = message[head:] if head else message
        head = 0
        # After the last there is a number alone.
        if len(row) > COLUMNS.size:
            yield row


def _messages(libpq: PGconn, copy: psycopg.Copy) -> Iterator[Row]:
    """Yield what the server sends.

    psycopg waits for each message as for one that is not there yet, which takes longer than to
    read it. So what has come already is taken from libpq, and psycopg waits for the next.
    """
    while True:
        length, data = libpq.get_copy_data(1)
        if length > 0:
            yield data
        elif length == 0:
            waited = copy.read()
            if not waited:
                return
            yield waited
        else:
            break
    while result := libpq.get_result():
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)


def _columns(rows: Sequence[Row], kinds: Sequence[Kind]) -> list[Values]:
    """Return the columns of some rows: arrays where all rows are of the form of the first."""
    extents, heads = _extents(rows[0], len(kinds))
    if len({*map(len, rows)}) == 1:
        block = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
        lengths = block[:, heads]
        if (lengths == lengths[0]).all():
            return [
                _array(block, extent, kind) for extent, kind in zip(extents, kinds, strict=True)
            ]
    each = [_values(row, kinds) for row in rows]
    return [list(column) for column in zip(*each, strict=True)]


def _extents(row: Row, count: int) -> tuple[list[Extent], npt.NDArray[np.intp]]:
    """Return where the values of a row lie, and which of its bytes are their lengths."""
    extents: list[Extent] = []
    heads: list[int] = []
    at = COLUMNS.size
    for _ in range(count):
        (length,) = LENGTH.unpack_from(row, at)
        heads += range(at, at + LENGTH.size)
        at += LENGTH.size
        extents.append(slice(at, at + length) if length >= 0 else None)
        at += max(length, 0)
    return extents, np.array(heads, np.intp)


def _array(block: npt.NDArray[np.uint8], extent: Extent, kind: Kind) -> Values:
    """Return a column of rows that lie in a block of bytes `[n, length]`."""
    if extent is None:
        return [None] * len(block)
    found = block[:, extent]
    if kind.code is not None:
        parsed: npt.NDArray[Any] = found.view(kind.code)[:, 0]
        return parsed.astype(parsed.dtype.newbyteorder("="))
    if kind.sent is None:
        return found
    if not found.shape[1]:
        return np.zeros(len(block), "S1")
    return np.ascontiguousarray(found).view(f"S{found.shape[1]}")[:, 0]


def _values(row: Row, kinds: Sequence[Kind]) -> list[Any]:
    """Return the values of one row."""
    extents, _ = _extents(row, len(kinds))
    return [
        None if extent is None else _value(bytes(row[extent]), kind)
        for extent, kind in zip(extents, kinds, strict=True)
    ]


def _value(data: bytes, kind: Kind) -> Any:
    if kind.code is not None:
        return np.frombuffer(data, kind.code)[0].item()
    return data if kind.sent is None else data.decode()
