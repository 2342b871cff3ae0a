"""The tables of the first release, frozen here: `schema.py` may move on, this may not."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)


def apply(connection: Connection) -> None:
    """Create all tables."""
    metadata = MetaData()
    row_id = BigInteger().with_variant(Integer(), "sqlite")
    moment = DateTime(timezone=True)
    Table(
        "settings",
        metadata,
        Column("key", String(64), primary_key=True),
        Column("value", Text, nullable=False),
    )
    Table(
        "images",
        metadata,
        Column("id", row_id, primary_key=True),
        Column("path", Text, nullable=False, unique=True),
        Column("size", BigInteger, nullable=False),
        Column("mtime_ns", BigInteger, nullable=False),
        Column("scanned_ns", BigInteger, nullable=False),
        Column("content_hash", String(64), nullable=False, index=True),
        Column("width", Integer, nullable=False),
        Column("height", Integer, nullable=False),
        Column("format", String(16), nullable=False),
        Column("label", Text, index=True),
        Column("indexed_at", moment, nullable=False),
        Column("missing_since", moment),
        Column("generation", BigInteger, nullable=False, index=True),
        sqlite_autoincrement=True,
    )
    Table("embeddings", metadata, _image_key(row_id), *_vector_columns())
    Table(
        "views",
        metadata,
        Column("content_hash", String(64), primary_key=True),
        Column("view", String(32), primary_key=True),
        *_vector_columns(),
    )
    Table(
        "categories",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", Text, nullable=False, index=True),
        Column("source", Text, nullable=False),
        UniqueConstraint("source", "name"),
    )
    Table(
        "heads",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(200), nullable=False, unique=True),
        Column("created_at", moment, nullable=False),
        Column("file", LargeBinary, nullable=False),
    )
    Table(
        "predictions",
        metadata,
        _image_key(row_id),
        Column(
            "category_id",
            Integer,
            ForeignKey("categories.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        Column("probability", Float, nullable=False),
        Column("unknown", Boolean, nullable=False),
    )
    metadata.create_all(connection)


def _image_key(row_id: BigInteger) -> Column[int]:
    return Column(
        "image_id",
        row_id,
        ForeignKey("images.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )


def _vector_columns() -> tuple[Column[bytes], Column[float]]:
    return Column("vector", LargeBinary, nullable=False), Column("norm", Float, nullable=False)
