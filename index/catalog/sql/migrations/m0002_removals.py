"""A note of every image that was forgotten, so that an index can drop it without a rebuild."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table


def apply(connection: Connection) -> None:
    """Create the table `removals`."""
    metadata = MetaData()
    row_id = BigInteger().with_variant(Integer(), "sqlite")
    Table(
        "removals",
        metadata,
        Column("image_id", row_id, primary_key=True, autoincrement=False),
        Column("generation", BigInteger, nullable=False, index=True),
    )
    metadata.create_all(connection, checkfirst=False)
