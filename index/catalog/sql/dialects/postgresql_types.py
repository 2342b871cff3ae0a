"""Values in PostgreSQL's binary format, a column at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import Dialect
from sqlalchemy.types import TypeEngine

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
    "BOOLEAN": Kind("boolean", 16, "?"),
    "TIMESTAMP WITH TIME ZONE": Kind("timestamptz", 1184, ">i8", _microseconds),
    "BYTEA": Kind("bytea", 17),
    "TEXT": Kind("text", 25, None, str.encode),
    "VARCHAR": Kind("text", 25, None, str.encode),
    "NULL": Kind("unknown", 705),
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


class ArrayDumper(Dumper):
    """Sends an array as it is; the statement says of what type it is."""

    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj.data


def kind_of(dialect: Dialect, column_type: TypeEngine[Any]) -> Kind:
    """Return the kind of a column's values; that of a NULL without a type is no number."""
    return KINDS[column_type.compile(dialect=dialect).partition("(")[0]]
