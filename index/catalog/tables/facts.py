"""The columns of the table `images` that say what a file was when it was read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, update

from index.catalog.sql.dialects.rows import bulk_of
from index.catalog.sql.path_conditions import codec_of
from index.catalog.sql.schema import Image, table_of
from index.records import ImageFacts


def write_facts(
    connection: Connection,
    ids: Sequence[int | None],
    facts: Sequence[ImageFacts],
    checksums: Sequence[int],
    generation: int,
) -> list[int]:
    """Update the rows that exist, insert those without an id; return all ids in their order."""
    encode = codec_of(connection).encode
    rows = [
        _columns(each, encode(each.file.path), generation) | {"embedding_crc32": crc32}
        for each, crc32 in zip(facts, checksums, strict=True)
    ]
    new = [row for image_id, row in zip(ids, rows, strict=True) if image_id is None]
    for image_id, row in zip(ids, rows, strict=True):
        if image_id is not None:
            connection.execute(update(Image).where(Image.id == image_id).values(row))
    made = iter(bulk_of(connection).insert_numbered(connection, table_of(Image), new))
    return [next(made) if image_id is None else image_id for image_id in ids]


def _columns(facts: ImageFacts, path: str, generation: int) -> dict[str, Any]:
    return {
        "path": path,
        "size": facts.file.size,
        "mtime_ns": facts.file.mtime_ns,
        "inode": facts.file.inode,
        "ctime_ns": facts.file.ctime_ns,
        "scanned_ns": facts.scanned_ns,
        "content_hash": facts.content_hash,
        "width": facts.width,
        "height": facts.height,
        "format": facts.format,
        "label": facts.label,
        "indexed_at": datetime.now(UTC),
        "missing_since": None,
        "generation": generation,
    }
