"""Networks made for one catalog, kept with it: without them its embeddings could not be matched."""

from __future__ import annotations

from sqlalchemy import Column, Connection, DateTime, LargeBinary, MetaData, String, Table


def apply(connection: Connection) -> None:
    """Create the table `networks`."""
    metadata = MetaData()
    Table(
        "networks",
        metadata,
        Column("fingerprint", String(64), primary_key=True),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("file", LargeBinary, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
