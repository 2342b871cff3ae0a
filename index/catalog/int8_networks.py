"""The table `networks`: backbones quantized for this catalog; their bytes mean nothing here."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select

from index.catalog.schema import Network


def put_network(connection: Connection, fingerprint: str, file: bytes) -> None:
    """Store a network in the caller's transaction."""
    connection.execute(delete(Network).where(Network.fingerprint == fingerprint))
    connection.execute(
        insert(Network).values(fingerprint=fingerprint, created_at=datetime.now(UTC), file=file)
    )


def read_network(connection: Connection, fingerprint: str) -> bytes | None:
    """Return a network, None where there is none of this fingerprint."""
    file: bytes | None = connection.execute(
        select(Network.file).where(Network.fingerprint == fingerprint)
    ).scalar_one_or_none()
    return file
