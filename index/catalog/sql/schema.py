"""The catalog's tables, as SQLAlchemy declares them.

    settings      key, value                                    what this catalog is: backbone, dim
    images        path, size, mtime_ns, content_hash, ...       one row per picture file
    embeddings    image_id, vector, norm                        one row per image, no image without
    views         content_hash, view, vector, norm              training pictures, embedded once
    categories    name, source                                  what a picture can be called
    heads         name, file                                    dense layers, as safetensors bytes
    predictions   image_id, category_id, probability, unknown,  what the engine says each image is
                  built_in
    removals      image_id, generation                          images forgotten, for the index
    generations   number, token                                 the states it has been in
    networks      fingerprint, file                             backbones quantized for this catalog
    judgements    category, content_hash, yes, at               what people said contents show
    distinct_pairs  first_hash, second_hash, at                 two contents that are no copies
    shards        run, state, lease_until, attempt, listing     what a run on a cluster has to do

Judgements and distinct pairs are about contents: they need no image, so that moving, forgetting and
indexing anew loses none of them.

A vector is a unit vector, little-endian float16 or float32 (setting `dtype`); `norm` restores the
embedding's length. `built_in` is what the built-in categories alone make of an image, which never
changes: the index of the best, its logit and its log-probability, as a little-endian int32 and
two float32; NULL where it was not worked out. A new catalog gets these tables,
`migrations/` brings an older one to them; a test holds the two descriptions together. How a path is
stored says `paths.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    DDL,
    BigInteger,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.types import TypeDecorator

# A SELECT of whatever columns.
Query: TypeAlias = Select[*tuple[Any, ...]]


class UTCDateTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite numbers rows by itself only where the key's type is spelled INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """All tables of the catalog."""


def table_of(kind: type[Base]) -> Table:
    """Return the table whose rows are of a class."""
    return Base.metadata.tables[kind.__tablename__]


class Setting(Base):
    """One fact about this catalog."""

    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Image(Base):
    """One picture file. `missing_since` is set when the file is gone and cleared on its return.

    `path` is the URL of one that lies behind a URL, and below the path or URL of its archive of one
    in an archive; what `size`, `mtime_ns`, `inode` and `ctime_ns` are then: `FileState`.
    """

    __tablename__ = "images"
    # AUTOINCREMENT: an id that was removed is never given to another picture, so an index file
    # that has not caught up yet can only miss a picture, never show a wrong one.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    path: Mapped[str] = mapped_column(Text, unique=True)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    scanned_ns: Mapped[int] = mapped_column(BigInteger)
    content_hash: Mapped[str] = mapped_column(String(64), index=True)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    format: Mapped[str] = mapped_column(String(16))
    label: Mapped[str | None] = mapped_column(Text, index=True)
    indexed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    missing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    generation: Mapped[int] = mapped_column(BigInteger, index=True)
    inode: Mapped[int | None] = mapped_column(BigInteger)
    ctime_ns: Mapped[int | None] = mapped_column(BigInteger)
    embedding_crc32: Mapped[int | None] = mapped_column(BigInteger)


class Embedding(Base):
    """The embedding of one image: a unit vector and the length it had."""

    __tablename__ = "embeddings"

    image_id: Mapped[int] = mapped_column(
        RowId, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    norm: Mapped[float] = mapped_column(Float)


# PostgreSQL would store an embedding in pieces in another table, having tried to compress it.
INLINE = (
    "ALTER TABLE %(table)s SET (toast_tuple_target = 8160), "
    "ALTER COLUMN vector SET STORAGE EXTERNAL"
)


class View(Base):
    """A training picture, or a mirrored copy of one, embedded once; found by its content."""

    __tablename__ = "views"

    content_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    view: Mapped[str] = mapped_column(String(32), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    norm: Mapped[float] = mapped_column(Float)
    crc32: Mapped[int | None] = mapped_column(BigInteger)


class Category(Base):
    """A name the engine can give a picture, and the head it comes from."""

    __tablename__ = "categories"
    __table_args__ = (UniqueConstraint("source", "name"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(Text, index=True)
    source: Mapped[str] = mapped_column(Text)


class Head(Base):
    """A trained head, whole, as the bytes of its safetensors file."""

    __tablename__ = "heads"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    file: Mapped[bytes] = mapped_column(LargeBinary)


class Prediction(Base):
    """What the engine says one image is."""

    __tablename__ = "predictions"

    image_id: Mapped[int] = mapped_column(
        RowId, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    category_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("categories.id", ondelete="CASCADE"), index=True
    )
    probability: Mapped[float] = mapped_column(Float)
    unknown: Mapped[bool] = mapped_column()
    built_in: Mapped[bytes | None] = mapped_column(LargeBinary)


class Removal(Base):
    """An image that was forgotten, and the change that did it: its id is never given again."""

    __tablename__ = "removals"

    image_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    generation: Mapped[int] = mapped_column(BigInteger, index=True)


class Generation(Base):
    """A change of the visible embeddings, and the random token that tells it from every other.

    An index says which generation of which token it shows: where the pair is not found here, it
    was made from another catalog, or from a copy that went another way.
    """

    __tablename__ = "generations"

    number: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    token: Mapped[str] = mapped_column(String(32))


class Network(Base):
    """A backbone quantized for this catalog, whole, found by the fingerprint it gave it."""

    __tablename__ = "networks"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    file: Mapped[bytes] = mapped_column(LargeBinary)


class Judgement(Base):
    """What a person said: a content shows a category, or does not. Only people take it back."""

    __tablename__ = "judgements"

    category: Mapped[str] = mapped_column(Text, primary_key=True)
    content_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    yes: Mapped[bool] = mapped_column()
    at: Mapped[datetime] = mapped_column(UTCDateTime)


class DistinctPair(Base):
    """Two contents, the lesser hash first, that a person said are no copies of each other."""

    __tablename__ = "distinct_pairs"

    first_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    second_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)


class Shard(Base):
    """Some pictures of a run of indexing that one worker embeds and commits together."""

    __tablename__ = "shards"
    # AUTOINCREMENT: the worker of a run that was given up cannot finish a shard of the next one.
    __table_args__ = (Index("ix_shards_state", "state", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    run: Mapped[str] = mapped_column(String(32))
    first: Mapped[str] = mapped_column(Text)
    last: Mapped[str] = mapped_column(Text)
    n: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(8))
    attempt: Mapped[int] = mapped_column(Integer)
    done: Mapped[int] = mapped_column(Integer)
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    worker: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    report: Mapped[str | None] = mapped_column(Text)
    listing_hash: Mapped[str] = mapped_column(String(64))
    listing: Mapped[bytes] = mapped_column(LargeBinary)


_INLINE: ExecutableDDLElement = DDL(INLINE)  # type: ignore[no-untyped-call]
for _table in map(table_of, (Embedding, View)):
    event.listen(_table, "after_create", _INLINE.execute_if(dialect="postgresql"))
