"""The table `embeddings`: read many at a time, in memory that does not grow with the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import bindparam, func, select, type_coerce
from sqlalchemy.types import NullType

from index.catalog.database import Database
from index.catalog.schema import Embedding, Image, Prediction, Query
from index.catalog.vector_codec import PackedVectors, unpack_into, unpack_summary
from index.records import Floats, Ids, Summary, Vectors

# A statement names at most this many ids; SQLite's oldest limit on variables is 999.
IDS_PER_STATEMENT = 900
# Rows turned into numbers at a time: more, and their bytes leave the processor's cache meanwhile.
ROWS_AT_ONCE = 256
# Rows copied at a time, for the same reason.
FEW_ROWS = 64

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class StoredEmbeddings:
    """Some of the catalog's embeddings, in order of id.

    Attributes
    ----------
    ids
        int64 `[n]`.
    packed
        `n` embeddings, as they are stored.
    summary
        What is remembered of the built-in categories' answers.
    """

    ids: Ids
    packed: PackedVectors
    summary: Summary

    def __len__(self) -> int:
        return len(self.ids)


class EmbeddingTable:
    """Reading the embeddings of one catalog.

    Parameters
    ----------
    database
        Where they are.
    dtype
        How vectors are stored.
    dim
        Length of a vector.
    """

    def __init__(self, database: Database, dtype: np.dtype[Any], dim: int) -> None:
        self._database = database
        self._dtype = dtype
        self._dim = dim

    def spans(self, size: int = 1024) -> list[Span]:
        """Return first and last ids that part all embeddings into spans of at most `size`."""
        with self._database.reading() as connection:
            ends = select(func.min(Embedding.image_id), func.max(Embedding.image_id))
            row = connection.execute(ends).one()
        # Both are NULL where there is none.
        first, last = row if row[0] is not None else (0, -1)
        return [(start, start + size - 1) for start in range(first, last + 1, size)]

    def within(self, span: Span, *, visible: bool = False) -> StoredEmbeddings:
        """Return the embeddings of a span, or of its visible images alone.

        Returns
        -------
        StoredEmbeddings
            With what is remembered of the built-in categories' answers.
        """
        first, last = span
        table = _PackedTable(last - first + 1, self._dim, self._dtype)
        with self._database.reading() as connection:
            query = _span_query(visible)
            found = connection.execute(query, {"first": first, "last": last})
            # The driver's own cursor: SQLAlchemy would make an object of every row.
            while found.cursor and (rows := found.cursor.fetchmany(FEW_ROWS)):
                table.add(*zip(*rows, strict=True))
        return table.filled()

    def of(self, ids: Sequence[int]) -> tuple[Ids, Vectors]:
        """Return ids and embeddings of these images, gone ones included, in order of id."""
        wanted = sorted(set(ids))
        query = _plain(Embedding.image_id, Embedding.vector, Embedding.norm)
        query = query.order_by(Embedding.image_id)
        table = _Table(len(wanted), self._dim, self._dtype)
        with self._database.reading() as connection:
            for start in range(0, len(wanted), IDS_PER_STATEMENT):
                part = wanted[start : start + IDS_PER_STATEMENT]
                found = connection.execute(query.where(Embedding.image_id.in_(part)))
                for rows in found.partitions(ROWS_AT_ONCE):
                    table.add(*zip(*rows, strict=True))
        return table.filled()

    def all(self, *, gone_too: bool = False) -> tuple[Ids, Vectors]:
        """Return ids and embeddings of all visible images, in order of id."""
        shown = select(Image.id).join(Embedding, Embedding.image_id == Image.id)
        query = _plain(Embedding.image_id, Embedding.vector, Embedding.norm)
        query = query.join(Image, Image.id == Embedding.image_id).order_by(Embedding.image_id)
        if not gone_too:
            shown = shown.where(Image.missing_since.is_(None))
            query = query.where(Image.missing_since.is_(None))
        with self._database.reading() as connection:
            count = connection.execute(select(func.count()).select_from(shown.subquery()))
            table = _Table(count.scalar_one(), self._dim, self._dtype)
            for rows in connection.execute(query).partitions(ROWS_AT_ONCE):
                table.add(*zip(*rows, strict=True))
        return table.filled()


class _Table:
    """Embeddings on their way into one array, made once at its full size."""

    def __init__(self, most: int, dim: int, dtype: np.dtype[Any]) -> None:
        self._ids: Ids = np.empty(most, np.int64)
        self._unit: Floats = np.empty((most, dim), np.float32)
        self._norm: Floats = np.empty(most, np.float32)
        self._dtype = dtype
        self._count = 0

    def add(self, ids: Sequence[int], blobs: Sequence[bytes], norms: Sequence[float]) -> None:
        place = slice(self._count, self._count + len(ids))
        self._ids[place] = ids
        unpack_into(self._unit[place], blobs, self._dtype)
        self._norm[place] = norms
        self._count += len(ids)

    def filled(self) -> tuple[Ids, Vectors]:
        there = slice(0, self._count)
        return self._ids[there], Vectors(self._unit[there], self._norm[there])


class _PackedTable:
    """Stored embeddings on their way into one array, which may turn out too large."""

    def __init__(self, most: int, dim: int, dtype: np.dtype[Any]) -> None:
        self._bytes = np.empty((most, dim * dtype.itemsize), np.uint8)
        self._dtype = dtype
        self._ids: list[int] = []
        self._norms: list[float] = []
        self._built_in: list[bytes | None] = []

    def add(
        self,
        ids: Sequence[int],
        blobs: Sequence[bytes],
        norms: Sequence[float],
        built_in: Sequence[bytes | None],
    ) -> None:
        place = slice(len(self._ids), len(self._ids) + len(ids))
        self._bytes[place] = np.frombuffer(b"".join(blobs), np.uint8).reshape(len(ids), -1)
        self._ids += ids
        self._norms += norms
        self._built_in += built_in

    def filled(self) -> StoredEmbeddings:
        stored = self._bytes[: len(self._ids)].view(self._dtype.newbyteorder("<"))
        packed = PackedVectors(
            stored.astype(self._dtype, copy=False), np.array(self._norms, np.float32)
        )
        return StoredEmbeddings(
            np.array(self._ids, np.int64), packed, unpack_summary(self._built_in)
        )


@cache
def _span_query(visible: bool) -> Query:
    """Return a query of all embeddings between two ids; it is the same for every span."""
    query = (
        _plain(Embedding.image_id, Embedding.vector, Embedding.norm, Prediction.built_in)
        .select_from(Embedding)
        .outerjoin(Prediction, Prediction.image_id == Embedding.image_id)
        .where(Embedding.image_id.between(bindparam("first"), bindparam("last")))
        .order_by(Embedding.image_id)
    )
    if visible:
        query = query.join(Image, Image.id == Embedding.image_id)
        query = query.where(Image.missing_since.is_(None))
    return query


def _plain(*columns: Any) -> Query:
    """Select columns as the driver gives them: a converter per value would double the time."""
    return select(*(type_coerce(column, NullType()) for column in columns))
