"""Paths stored whole that lie below the store's folder by now, because it was moved above them."""

from __future__ import annotations

from sqlalchemy import Connection, text

from index.catalog.paths import RELATIVE, PathCodec
from index.catalog.sql.migrations.m0007_relative_paths import BELOW, bounds_of, encoded_anew


def stored_whole(connection: Connection, paths: PathCodec) -> bool:
    """Say whether a path below that folder is not stored relative to it."""
    bounds = bounds_of(paths)
    found = text(f"SELECT 1 FROM images WHERE {BELOW} LIMIT 1")
    return bool(bounds and connection.execute(found, bounds).first()) or any(
        encoded_anew(connection, paths)
    )


def overtaken(connection: Connection, paths: PathCodec) -> list[int]:
    """Return the images stored whole whose place is that of another, stored relative.

    Store and pictures were moved to where they lay: the files there are the others now.
    """
    found: list[int] = []
    if bounds := bounds_of(paths):
        rest = f"substr(images.path, {len(bounds['folder']) + 1})"
        twin = f"SELECT 1 FROM images twin WHERE twin.path = '{RELATIVE}' || {rest}"
        statement = text(f"SELECT id FROM images WHERE {BELOW} AND EXISTS ({twin})")
        found += connection.execute(statement, bounds).scalars()
    twin_of = text("SELECT 1 FROM images WHERE path = :path")
    for image_id, path in encoded_anew(connection, paths):
        if connection.execute(twin_of, {"path": path}).first():
            found.append(image_id)
    return found
