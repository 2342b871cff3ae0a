"""The table `embeddings`, read in pieces, so that memory does not grow with the catalog.

`EmbeddingTable` serves heads and searches, each call in a transaction of its own. The functions
below it serve the index: they read in the caller's transaction, in which the generation was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, func, select, type_coerce
from sqlalchemy.types import NullType

from index.catalog.sql.database import Database, chunks_of, driver_rows
from index.catalog.sql.schema import Embedding, Image, Prediction, Query
from index.catalog.tables.vector_codec import PackedVectors, unpack, unpack_into, unpack_summary
from index.records import Floats, Ids, Rows, Summary, Vectors

# Rows unpacked at a time: more, and their bytes leave the processor's cache meanwhile.
ROWS_UNPACKED = 256
# Rows copied at a time, for the same reason.
ROWS_COPIED = 64
# Rows given to the index at a time, as vectors and as bytes. The bytes of those that are only
# passed on are all that this takes of memory.
CHUNK_ROWS = 2048
PASSED_ROWS = 256

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

    def as_stored(self, vectors: Vectors) -> Vectors:
        """Return embeddings as they will be read back: rounded to the catalog's dtype."""
        return Vectors(vectors.unit.astype(self._dtype).astype(np.float32), vectors.norm)

    def in_span(
        self, span: Span, *, visible: bool = False, rows_copied: int = ROWS_COPIED
    ) -> StoredEmbeddings:
        """Return the embeddings of a span, or of its visible images alone.

        Returns
        -------
        StoredEmbeddings
            With what is remembered of the built-in categories' answers.
        """
        first, last = span
        table = _PackedTable(last - first + 1, self._dim, self._dtype)
        with self._database.reading() as connection:
            found = connection.execute(_span_query(visible), {"first": first, "last": last})
            for rows in driver_rows(found, rows_copied):
                table.add(*zip(*rows, strict=True))
        return table.filled()

    def of(self, ids: Sequence[int]) -> tuple[Ids, Vectors]:
        """Return ids and embeddings of these images, gone ones included, in order of id."""
        wanted = sorted(set(ids))
        query = _plain(Embedding.image_id, Embedding.vector, Embedding.norm)
        query = query.order_by(Embedding.image_id)
        table = _Table(len(wanted), self._dim, self._dtype)
        with self._database.reading() as connection:
            for chunk in chunks_of(wanted):
                found = connection.execute(query.where(Embedding.image_id.in_(chunk)))
                for rows in found.partitions(ROWS_UNPACKED):
                    table.add(*zip(*rows, strict=True))
        return table.filled()

    def all(self, *, gone_too: bool = False) -> tuple[Ids, Vectors]:
        """Return ids and embeddings of all visible images, or of all, in order of id."""
        shown = select(Image.id).join(Embedding, Embedding.image_id == Image.id)
        query = _plain(Embedding.image_id, Embedding.vector, Embedding.norm)
        query = query.join(Image, Image.id == Embedding.image_id).order_by(Embedding.image_id)
        if not gone_too:
            shown = shown.where(Image.missing_since.is_(None))
            query = query.where(Image.missing_since.is_(None))
        with self._database.reading() as connection:
            count = connection.execute(select(func.count()).select_from(shown.subquery()))
            table = _Table(count.scalar_one(), self._dim, self._dtype)
            for rows in connection.execute(query).partitions(ROWS_UNPACKED):
                table.add(*zip(*rows, strict=True))
        return table.filled()


def count_visible(connection: Connection) -> int:
    """Return how many visible images there are."""
    return int(connection.execute(_visible(select(func.count()))).scalar_one())


def chunks(
    connection: Connection, dtype: str, since: int | None = None
) -> Iterator[tuple[Ids, Vectors]]:
    """Yield ids and embeddings of visible images in order of id.

    Parameters
    ----------
    since
        Only of images that changed after this generation.
    """
    query = _visible(select(Image.id, Embedding.vector, Embedding.norm)).order_by(Image.id)
    if since is not None:
        query = query.where(Image.generation > since)
    rows = connection.execute(query.execution_options(yield_per=CHUNK_ROWS))
    for part in rows.partitions():
        yield unpack(part, np.dtype(dtype))


def stored_rows(connection: Connection) -> Iterator[Rows]:
    """Yield ids and vectors of visible images as they are stored, in order of id."""
    query = _visible(_plain(Image.id, Embedding.vector)).order_by(Image.id)
    for part in connection.execute(query.execution_options(yield_per=PASSED_ROWS)).partitions():
        ids, blobs = zip(*part, strict=True)
        yield ids, blobs


def sample(connection: Connection, size: int, dtype: str) -> tuple[Ids, Floats]:
    """Return images chosen at random, in random order; the same ones for the same catalog."""
    ids = np.fromiter(connection.execute(_visible(select(Image.id))).scalars(), np.int64)
    random = np.random.default_rng(len(ids))
    chosen = np.sort(random.choice(ids, min(size, len(ids)), replace=False))
    query = select(Embedding.image_id, Embedding.vector, Embedding.norm)
    query = query.order_by(Embedding.image_id)
    parts = [
        unpack(
            connection.execute(query.where(Embedding.image_id.in_(chunk))).all(), np.dtype(dtype)
        )
        for chunk in chunks_of(chosen.tolist())
    ]
    order = random.permutation(len(chosen))
    unit = np.concatenate([vectors.unit for _, vectors in parts])
    return np.concatenate([part for part, _ in parts])[order], unit[order]


class _Table:
    """Collects embeddings in one array, made once at its full size."""

    def __init__(self, most: int, dim: int, dtype: np.dtype[Any]) -> None:
        self._ids: Ids = np.empty(most, np.int64)
        self._unit: Floats = np.empty((most, dim), np.float32)
        self._norm: Floats = np.empty(most, np.float32)
        self._dtype = dtype
        self._count = 0

    def add(self, ids: Sequence[int], blobs: Sequence[bytes], norms: Sequence[float]) -> None:
        rows = slice(self._count, self._count + len(ids))
        self._ids[rows] = ids
        unpack_into(self._unit[rows], blobs, self._dtype)
        self._norm[rows] = norms
        self._count += len(ids)

    def filled(self) -> tuple[Ids, Vectors]:
        rows = slice(0, self._count)
        return self._ids[rows], Vectors(self._unit[rows], self._norm[rows])


class _PackedTable:
    """Collects stored embeddings in one array, whose size is an upper bound."""

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
        rows = slice(len(self._ids), len(self._ids) + len(ids))
        self._bytes[rows] = np.frombuffer(b"".join(blobs), np.uint8).reshape(len(ids), -1)
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


def _visible(query: Query) -> Query:
    return (
        query.select_from(Image)
        .join(Embedding, Embedding.image_id == Image.id)
        .where(Image.missing_since.is_(None))
    )


def _plain(*columns: Any) -> Query:
    """Select columns as the driver gives them: a converter per value would double the time."""
    return select(*(type_coerce(column, NullType()) for column in columns))
