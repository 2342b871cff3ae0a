"""Paths stored whole that lie below the store's folder: since a release, or since it was moved."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from index.catalog.paths import RELATIVE, UNDECODABLE, PathCodec, as_folder, is_text

_BELOW = "path >= :folder AND path < :end"


def make_relative(connection: Connection, paths: PathCodec) -> None:
    """Store relative the path of every file below the folder that the store lies in."""
    if bounds := _bounds(paths):
        rest = f"substr(path, {len(bounds['folder']) + 1})"
        statement = f"UPDATE images SET path = '{RELATIVE}' || {rest} WHERE {_BELOW}"
        connection.execute(text(statement), bounds)
    changed = [{"id": image_id, "path": path} for image_id, _, path in _encoded(connection, paths)]
    if changed:
        connection.execute(text("UPDATE images SET path = :path WHERE id = :id"), changed)


def stored_whole(connection: Connection, paths: PathCodec) -> bool:
    """Say whether a path below that folder is not stored relative to it."""
    bounds = _bounds(paths)
    found = text(f"SELECT 1 FROM images WHERE {_BELOW} LIMIT 1")
    return bool(bounds and connection.execute(found, bounds).first()) or any(
        _encoded(connection, paths)
    )


def overtaken(connection: Connection, paths: PathCodec) -> list[int]:
    """Return the images stored whole whose place is that of another, stored relative.

    Store and pictures were moved to where they lay: the files there are the others now.
    """
    found: list[int] = []
    if bounds := _bounds(paths):
        rest = f"substr(images.path, {len(bounds['folder']) + 1})"
        twin = f"SELECT 1 FROM images twin WHERE twin.path = '{RELATIVE}' || {rest}"
        statement = text(f"SELECT id FROM images WHERE {_BELOW} AND EXISTS ({twin})")
        found += connection.execute(statement, bounds).scalars()
    twin_of = text("SELECT 1 FROM images WHERE path = :path")
    for image_id, _, path in _encoded(connection, paths):
        if connection.execute(twin_of, {"path": path}).first():
            found.append(image_id)
    return found


def _bounds(paths: PathCodec) -> dict[str, str]:
    """Return the folder, and the first text behind all that begin with it, for an index to use."""
    if paths.root is None or not is_text(paths.root):
        return {}
    folder = as_folder(paths.root)
    return {"folder": folder, "end": folder[:-1] + chr(ord(folder[-1]) + 1)}


def _encoded(connection: Connection, paths: PathCodec) -> Iterator[tuple[int, str, str]]:
    """Yield each path of undecodable bytes that is to be stored relative: id, text, new text."""
    if paths.root is None:
        return
    bounds = {"folder": UNDECODABLE, "end": UNDECODABLE[:-1] + chr(ord(UNDECODABLE[-1]) + 1)}
    found = text(f"SELECT id, path FROM images WHERE {_BELOW} ORDER BY id")
    for image_id, stored in connection.execute(found, bounds).all():
        path = paths.encode(paths.decode(stored))
        if path != stored:
            yield image_id, stored, path
