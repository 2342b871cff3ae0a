"""Paths relative to the folder that the store lies in, so that store and pictures move together."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from index.catalog.paths import RELATIVE, UNDECODABLE, PathCodec, as_folder, is_text

BELOW = "path >= :folder AND path < :end"


def apply(connection: Connection) -> None:
    """Store relative the path of every file below that folder."""
    make_relative(connection, connection.get_execution_options()["paths"])


def make_relative(connection: Connection, paths: PathCodec) -> None:
    """Store relative the path of every file below the folder that the store lies in."""
    if bounds := bounds_of(paths):
        rest = f"substr(path, {len(bounds['folder']) + 1})"
        statement = f"UPDATE images SET path = '{RELATIVE}' || {rest} WHERE {BELOW}"
        connection.execute(text(statement), bounds)
    changed = [{"id": key, "path": path} for key, path in encoded_anew(connection, paths)]
    if changed:
        connection.execute(text("UPDATE images SET path = :path WHERE id = :id"), changed)


def bounds_of(paths: PathCodec) -> dict[str, str]:
    """Return the folder, and the first text behind all that begin with it, for an index to use."""
    if paths.root is None or not is_text(paths.root):
        return {}
    folder = as_folder(paths.root)
    return {"folder": folder, "end": folder[:-1] + chr(ord(folder[-1]) + 1)}


def encoded_anew(connection: Connection, paths: PathCodec) -> Iterator[tuple[int, str]]:
    """Yield each path of undecodable bytes that is to be stored relative: its id, its new text."""
    if paths.root is None:
        return
    bounds = {"folder": UNDECODABLE, "end": UNDECODABLE[:-1] + chr(ord(UNDECODABLE[-1]) + 1)}
    found = text(f"SELECT id, path FROM images WHERE {BELOW} ORDER BY id")
    for image_id, stored in connection.execute(found, bounds).all():
        path = paths.encode(paths.decode(stored))
        if path != stored:
            yield image_id, path
