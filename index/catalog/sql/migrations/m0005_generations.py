"""A random token for every generation: an index of another history is told from this one's."""

from __future__ import annotations

from secrets import token_hex

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, text

CURRENT = """
INSERT INTO generations (number, token)
SELECT COALESCE((SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'generation'), 0), :token
"""
SETTING = "INSERT INTO settings (key, value) VALUES ('generation_token', :token)"


def apply(connection: Connection) -> None:
    """Create the table `generations`, and draw a token for the state that the catalog is in."""
    metadata = MetaData()
    row_id = BigInteger().with_variant(Integer(), "sqlite")
    Table(
        "generations",
        metadata,
        Column("number", row_id, primary_key=True, autoincrement=False),
        Column("token", String(32), nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
    token = token_hex(16)
    connection.execute(text(CURRENT), {"token": token})
    connection.execute(text(SETTING), {"token": token})
