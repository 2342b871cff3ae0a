"""A checksum of every stored vector, so that a flipped bit on a disk is noticed."""

from __future__ import annotations

import zlib
from struct import pack

from sqlalchemy import BigInteger, Connection, text

_ROWS = 1024


def apply(connection: Connection) -> None:
    """Add the columns `embedding_crc32` and `crc32`, and fill them for what is stored."""
    kind = BigInteger().compile(connection.dialect)
    connection.execute(text(f"ALTER TABLE images ADD COLUMN embedding_crc32 {kind}"))
    connection.execute(text(f"ALTER TABLE views ADD COLUMN crc32 {kind}"))
    _fill_images(connection)
    _fill_views(connection)


def _fill_images(connection: Connection) -> None:
    select = text(
        "SELECT images.id, content_hash, norm, vector FROM images "
        "JOIN embeddings ON image_id = images.id WHERE images.id > :last ORDER BY images.id "
        f"LIMIT {_ROWS}"
    )
    update = text("UPDATE images SET embedding_crc32 = :crc32 WHERE id = :id")
    last = -1
    while rows := connection.execute(select, {"last": last}).all():
        last = rows[-1].id
        sums = [
            {"id": row.id, "crc32": _crc32(row.content_hash, row.norm, row.vector)} for row in rows
        ]
        connection.execute(update, sums)


def _fill_views(connection: Connection) -> None:
    select = text("SELECT content_hash, view, norm, vector FROM views")
    update = text("UPDATE views SET crc32 = :crc32 WHERE content_hash = :hash AND view = :view")
    for row in connection.execute(select).all():
        crc32 = _crc32(f"{row.content_hash} {row.view}", row.norm, row.vector)
        values = {"crc32": crc32, "hash": row.content_hash, "view": row.view}
        connection.execute(update, values)


def _crc32(key: str, norm: float, vector: bytes) -> int:
    return zlib.crc32(vector, zlib.crc32(key.encode() + pack("<f", norm)))
