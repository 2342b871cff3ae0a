"""What people said of contents: that one shows a category or does not, that two are no copies."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Connection, DateTime, MetaData, String, Table, Text


def apply(connection: Connection) -> None:
    """Create the tables `judgements` and `distinct_pairs`."""
    metadata = MetaData()
    Table(
        "judgements",
        metadata,
        Column("category", Text, primary_key=True),
        Column("content_hash", String(64), primary_key=True),
        Column("yes", Boolean, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
    )
    Table(
        "distinct_pairs",
        metadata,
        Column("first_hash", String(64), primary_key=True),
        Column("second_hash", String(64), primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
