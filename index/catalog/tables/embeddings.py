"""The table `embeddings`, read in pieces, so that memory does not grow with the catalog.

Heads, duplicates and exports read here, each call in a transaction of its own; the index reads by
`index_source.py`. What is read is held against its checksum first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import BindParameter, Connection, bindparam, func, null, select, type_coerce
from sqlalchemy.types import NullType

from index.catalog.sql.checksums import Damage
from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.dialects.rows import bulk_of, driver_rows
from index.catalog.sql.prepared import IDS, PreparedQuery
from index.catalog.sql.schema import Embedding, Image, Prediction, Query
from index.catalog.vector_codec import PackedVectors, unpack_into, unpack_summary
from index.errors import EmbeddingDamagedError
from index.records import Floats, Ids, Summary, Vectors

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
        # Of both in one query SQLite would read every id.
        least, most = (
            select(end(Embedding.image_id)).scalar_subquery() for end in (func.min, func.max)
        )
        with self._database.reading() as connection:
            row = connection.execute(select(least, most)).one()
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

        Raises
        ------
        EmbeddingDamagedError
            One of them is not as it was stored.
        """
        first, last = span
        query, damage = _span_query(visible, self._database.has_checksums), Damage()
        table = _PackedTable(last - first + 1, self._dim, self._dtype)
        with self._database.reading() as connection:
            ends = {"first": first, "last": last}
            for rows in bulk_of(connection).stream(connection, query, ends, rows_copied):
                if sound := damage.sound(rows):
                    table.add(*zip(*sound, strict=True))
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
                else:
                    found = _ids_query(checked, visible).execute(connection, chunk)
                for rows in driver_rows(found, ROWS_UNPACKED):
                    table.add(damage.sound(rows))
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
            for rows in bulk_of(connection).stream(connection, query, size=ROWS_UNPACKED):
                table.add(damage.sound(rows))
            self._require_sound(connection, damage)
        return table.filled()

    def damaged(self) -> list[int]:
        """Read every embedding, and return the images whose own is not as it was stored."""
        damage = Damage()
        with self._database.reading() as connection:
            query = stored(self._database.has_checksums)
            for rows in bulk_of(connection).stream(connection, query, size=ROWS_UNPACKED):
                damage.sound(rows)
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

    def add(self, stored: Sequence[Sequence[Any]]) -> None:
        if not stored:
            return
        ids, blobs, norms, *_ = zip(*stored, strict=True)
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
        _hashes: Sequence[str],
        _checksums: Sequence[int | None],
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
def _span_query(visible: bool, checked: bool) -> Query:
    """Return a query of all embeddings between two ids; it is the same for every span."""
    first: BindParameter[int] = bindparam("first")
    last: BindParameter[int] = bindparam("last")
    # PostgreSQL does not see that one follows from the other, and would read all images before.
    same = Prediction.image_id == Embedding.image_id
    query = (
        stored(checked)
        .add_columns(type_coerce(Prediction.built_in, NullType()))
        .outerjoin(Prediction, same & Prediction.image_id.between(first, last))
        .where(Embedding.image_id.between(first, last), Image.id.between(first, last))
        .order_by(Embedding.image_id)
    )
    return query.where(Image.missing_since.is_(None)) if visible else query


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

    The columns come as the driver gives them: a converter per value would double the time.

    Parameters
    ----------
    checked
        Whether there are checksums: an older catalog that cannot be written has none.
    """
    crc32: Any = Image.embedding_crc32 if checked else null()
    columns = (Image.id, Embedding.vector, Embedding.norm, Image.content_hash, crc32)
    plain = (type_coerce(column, NullType()) for column in columns)
    return select(*plain).select_from(Image).join(Embedding, Embedding.image_id == Image.id)
