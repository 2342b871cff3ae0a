"""The tables `heads` and `views`: trained layers, and the training pictures' embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Connection, delete, insert, select

from index.catalog.database import Database
from index.catalog.schema import Head, View
from index.catalog.vector_codec import pack, unpack_blobs
from index.records import HeadRow, Vectors

HASHES_PER_STATEMENT = 900


class HeadTable:
    """Verbs over the heads of one catalog; their bytes mean nothing to this room."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[HeadRow]:
        """Return every head, by name."""
        query = select(Head.name, Head.created_at, Head.file).order_by(Head.name)
        with self._database.reading() as connection:
            return [HeadRow(*row) for row in connection.execute(query)]


def put_head(connection: Connection, name: str, file: bytes) -> None:
    """Store a head under `name`, in place of one that had it, in the caller's transaction."""
    connection.execute(delete(Head).where(Head.name == name))
    connection.execute(insert(Head).values(name=name, created_at=datetime.now(UTC), file=file))


def delete_head(connection: Connection, name: str) -> None:
    """Forget a head in the caller's transaction."""
    connection.execute(delete(Head).where(Head.name == name))


class ViewTable:
    """Verbs over training pictures embedded once, found by content and view."""

    def __init__(self, database: Database, dtype: str) -> None:
        self._database = database
        self._dtype = np.dtype(dtype)

    def put(self, keys: Sequence[tuple[str, str]], vectors: Vectors) -> None:
        """Store the embeddings of `keys`, each `(content_hash, view)`; known ones stay."""
        blobs = pack(vectors.unit, self._dtype)
        rows = {
            key: {"content_hash": key[0], "view": key[1], "vector": blob, "norm": float(norm)}
            for key, blob, norm in zip(keys, blobs, vectors.norm, strict=True)
        }
        with self._database.writing() as connection:
            query = select(View.content_hash, View.view)
            for part in _parts(sorted({content_hash for content_hash, _ in keys})):
                for known in connection.execute(query.where(View.content_hash.in_(part))):
                    rows.pop((known.content_hash, known.view), None)
            if rows:
                connection.execute(insert(View), list(rows.values()))

    def get(self, hashes: Iterable[str]) -> dict[tuple[str, str], Vectors]:
        """Return the views at hand of these contents, each a `Vectors` of one row."""
        found: dict[tuple[str, str], Vectors] = {}
        query = select(View.content_hash, View.view, View.vector, View.norm)
        with self._database.reading() as connection:
            for part in _parts(sorted(set(hashes))):
                rows = connection.execute(query.where(View.content_hash.in_(part))).all()
                unit = unpack_blobs([row.vector for row in rows], self._dtype)
                for row, vector in zip(rows, unit, strict=True):
                    norm = np.array([row.norm], np.float32)
                    found[row.content_hash, row.view] = Vectors(vector[None], norm)
        return found


def _parts(hashes: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(hashes), HASHES_PER_STATEMENT):
        yield hashes[start : start + HASHES_PER_STATEMENT]
