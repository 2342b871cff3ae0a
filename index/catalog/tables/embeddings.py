"""The table `embeddings`, read in pieces, so that memory does not grow with the catalog.

Heads, duplicates and exports read here, each call in a transaction of its own; the index reads by
`index_source.py`. What is read is held against its checksum first.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import BindParameter, Connection, bindparam, func, null, select

from index.catalog.sql.checksums import Damage
from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.dialects.rows import bulk_of, driver_rows
from index.catalog.sql.prepared import IDS, PreparedQuery
from index.catalog.sql.schema import Embedding, Image, Prediction, Query
from index.catalog.vector_codec import (
    SUMMARY,
    PackedVectors,
    blob_rows,
    summary_rows,
    unpack_into,
    unpack_summary,
)
from index.errors import EmbeddingDamagedError
from index.records import Floats, Ids, Summary, Values, Vectors

# Rows unpacked at a time: more, and their bytes leave the processor's cache meanwhile.
ROWS_UNPACKED = 256
# Rows copied at a time: as many as a server is best asked for.
ROWS_COPIED = 256
# Up to so many ids are named, though they may follow each other.
FEW_IDS = 8

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
            return spans_of(connection, size)

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

        Raises
        ------
        EmbeddingDamagedError
            One of them is not as it was stored.
        """
        first, last = span
        checked, damage = self._database.has_checksums, Damage()
        query = span_query(visible=visible, checked=checked, summary=True)
        table = _PackedTable(last - first + 1, self._dim, self._dtype)
        with self._database.reading() as connection:
            ends = {"first": first, "last": last}
            with closing(bulk_of(connection).columns(connection, query, ends, rows_copied)) as all_:
                for columns in all_:
                    table.add(damage.sound(columns))
            self._require_sound(connection, damage)
        return table.filled()

    def of(self, ids: Sequence[int]) -> tuple[Ids, Vectors]:
        """Return ids and embeddings of these images, gone ones included, in order of id.

        Raises
        ------
        EmbeddingDamagedError
            One of them is not as it was stored.
        """
        damage = Damage()
        found = self._of(ids, damage)
        if damage.ids:
            with self._database.reading() as connection:
                self._require_sound(connection, damage)
        return found

    def sound(self, ids: Sequence[int]) -> tuple[Ids, Vectors]:
        """Return the same of those among them that are as they were stored."""
        return self._of(ids, Damage())

    def visible(self, ids: Sequence[int]) -> tuple[Ids, Vectors]:
        """Return the same of those among them that are visible, too."""
        return self._of(ids, Damage(), visible=True)

    def _of(
        self, ids: Sequence[int], damage: Damage, *, visible: bool = False
    ) -> tuple[Ids, Vectors]:
        wanted = sorted(set(ids))
        table = _Table(len(wanted), self._dim, self._dtype)
        checked = self._database.has_checksums
        with self._database.reading() as connection:
            for chunk in chunks_of(wanted):
                # A thousand names cost more than the rows that they name.
                if len(chunk) > FEW_IDS and chunk[-1] - chunk[0] + 1 == len(chunk):
                    ends = {"first": chunk[0], "last": chunk[-1]}
                    found = connection.execute(_row_query(checked, visible), ends)
                    parts = driver_rows(found, ROWS_UNPACKED)
                else:
                    parts = _ids_query(checked, visible).parts(connection, chunk, ROWS_UNPACKED)
                for rows in parts:
                    table.add(damage.sound(list(zip(*rows, strict=True))))
        return table.filled()

    def all(self, *, gone_too: bool = False) -> tuple[Ids, Vectors]:
        """Return ids and embeddings of all visible images, or of all, in order of id.

        Raises
        ------
        EmbeddingDamagedError
            One of them is not as it was stored.
        """
        shown = select(Image.id).join(Embedding, Embedding.image_id == Image.id)
        query, damage = stored(self._database.has_checksums).order_by(Embedding.image_id), Damage()
        if not gone_too:
            shown = shown.where(Image.missing_since.is_(None))
            query = query.where(Image.missing_since.is_(None))
        with self._database.reading() as connection:
            count = connection.execute(select(func.count()).select_from(shown.subquery()))
            table = _Table(count.scalar_one(), self._dim, self._dtype)
            with closing(_all_columns(connection, query)) as all_:
                for columns in all_:
                    table.add(damage.sound(columns))
            self._require_sound(connection, damage)
        return table.filled()

    def damaged(self) -> list[int]:
        """Read every embedding, and return the images whose own is not as it was stored."""
        damage = Damage()
        with self._database.reading() as connection:
            query = stored(self._database.has_checksums)
            with closing(_all_columns(connection, query)) as all_:
                for columns in all_:
                    damage.sound(columns)
        return sorted(damage.ids)

    def count(self) -> int:
        """Return how many there are."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(Embedding)).scalar_one()

    def _require_sound(self, connection: Connection, damage: Damage) -> None:
        if not damage.ids:
            return
        first = select(Image.path).where(Image.id == min(damage.ids))
        path = self._database.paths.decode(connection.execute(first).scalar_one())
        others = f", and those of {len(damage.ids) - 1} others" if len(damage.ids) > 1 else ""
        raise EmbeddingDamagedError(
            path,
            f"its stored embedding is damaged{others}",
            "Run `engine index FOLDER --verify` on its folder: it is embedded again",
        )


class _Table:
    """Collects embeddings in one array, made once at its full size."""

    def __init__(self, most: int, dim: int, dtype: np.dtype[Any]) -> None:
        self._ids: Ids = np.empty(most, np.int64)
        self._unit: Floats = np.empty((most, dim), np.float32)
        self._norm: Floats = np.empty(most, np.float32)
        self._dtype = dtype
        self._count = 0

    def add(self, columns: Sequence[Values]) -> None:
        if not columns:
            return
        ids, blobs, norms, *_ = columns
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
        self._ids: Ids = np.empty(most, np.int64)
        self._bytes = np.empty((most, dim * dtype.itemsize), np.uint8)
        self._norm: Floats = np.empty(most, np.float32)
        self._built_in = np.empty(most, SUMMARY)
        self._dtype = dtype
        self._count = 0

    def add(self, columns: Sequence[Values]) -> None:
        if not columns:
            return
        ids, blobs, norms, _hashes, _checksums, built_in = columns
        rows = slice(self._count, self._count + len(ids))
        self._ids[rows] = ids
        self._bytes[rows] = blob_rows(blobs)
        self._norm[rows] = norms
        self._built_in[rows] = summary_rows(built_in)
        self._count += len(ids)

    def filled(self) -> StoredEmbeddings:
        rows = slice(0, self._count)
        stored = self._bytes[rows].view(self._dtype.newbyteorder("<"))
        packed = PackedVectors(stored.astype(self._dtype, copy=False), self._norm[rows])
        return StoredEmbeddings(self._ids[rows], packed, unpack_summary(self._built_in[rows]))


def _all_columns(connection: Connection, query: Query) -> Generator[Sequence[Values]]:
    return bulk_of(connection).columns(connection, query, size=ROWS_UNPACKED)


def spans_of(connection: Connection, size: int) -> list[Span]:
    """Return first and last ids that part all embeddings into spans of at most `size`."""
    # Of both in one query SQLite would read every id.
    least, most = (
        select(end(Embedding.image_id)).scalar_subquery() for end in (func.min, func.max)
    )
    row = connection.execute(select(least, most)).one()
    # Both are NULL where there is none.
    first, last = row if row[0] is not None else (0, -1)
    return [(start, start + size - 1) for start in range(first, last + 1, size)]


@cache
def span_query(*, visible: bool, checked: bool, summary: bool) -> Query:
    """Return a query of all embeddings between two ids; it is the same for every span.

    Its columns are those of `stored` and, where the summary is wanted, what is remembered of the
    built-in categories' answers.
    """
    first: BindParameter[int] = bindparam("first")
    last: BindParameter[int] = bindparam("last")
    query = stored(checked).where(
        Embedding.image_id.between(first, last), Image.id.between(first, last)
    )
    if summary:
        # PostgreSQL does not see that one follows from the other, and would read all images before.
        same = Prediction.image_id == Embedding.image_id
        query = query.add_columns(Prediction.built_in)
        query = query.outerjoin(Prediction, same & Prediction.image_id.between(first, last))
    return _seen(query, visible).order_by(Embedding.image_id)


@cache
def _row_query(checked: bool, visible: bool) -> Query:
    """Return a query of the embeddings between two ids."""
    ids = Embedding.image_id
    between = ids.between(bindparam("first"), bindparam("last"))
    return _seen(stored(checked), visible).where(between).order_by(ids)


@cache
def _ids_query(checked: bool, visible: bool) -> PreparedQuery:
    """Return a query of the embeddings of some ids."""
    ids = Embedding.image_id
    named = ids.in_(bindparam(IDS, expanding=True))
    return PreparedQuery(_seen(stored(checked), visible).where(named).order_by(ids))


def _seen(query: Query, visible: bool) -> Query:
    """Return a query of all images, or of the visible ones among them."""
    return query.where(Image.missing_since.is_(None)) if visible else query


def stored(checked: bool) -> Query:
    """Return a query of id, vector, norm, content hash and checksum of every embedding.

    Parameters
    ----------
    checked
        Whether there are checksums: an older catalog that cannot be written has none.
    """
    crc32: Any = Image.embedding_crc32 if checked else null()
    columns = (Image.id, Embedding.vector, Embedding.norm, Image.content_hash, crc32)
    return select(*columns).select_from(Image).join(Embedding, Embedding.image_id == Image.id)
