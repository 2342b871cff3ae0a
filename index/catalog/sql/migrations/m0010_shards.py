"""The ledger of a run of indexing that several processes share."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)


def apply(connection: Connection) -> None:
    """Create the table `shards`."""
    metadata = MetaData()
    shards = Table(
        "shards",
        metadata,
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
        Column("run", String(32), nullable=False),
        Column("first", Text, nullable=False),
        Column("last", Text, nullable=False),
        Column("n", Integer, nullable=False),
        Column("state", String(8), nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("done", Integer, nullable=False),
        Column("lease_until", DateTime(timezone=True)),
        Column("worker", Text),
        Column("error", Text),
        Column("report", Text),
        Column("listing_hash", String(64), nullable=False),
        Column("listing", LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    Index("ix_shards_state", shards.c.state, shards.c.id)
    metadata.create_all(connection, checkfirst=False)
