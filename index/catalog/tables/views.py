"""The table `views`: embeddings of training pictures, which a head may want to learn from again.

A view belongs to a content, not to a path. It goes when the last head does, and when the last image
of its content is removed; a head that learned from it is then extended without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import Connection, delete, insert, select

from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.schema import Image, View
from index.catalog.tables.vector_codec import pack, unpack_blobs
from index.records import Vectors


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
            for chunk in chunks_of(sorted({content_hash for content_hash, _ in keys})):
                for known in connection.execute(query.where(View.content_hash.in_(chunk))):
                    rows.pop((known.content_hash, known.view), None)
            if rows:
                connection.execute(insert(View), list(rows.values()))

    def get(self, hashes: Iterable[str]) -> dict[tuple[str, str], Vectors]:
        """Return the views at hand of these contents, each a `Vectors` of one row."""
        found: dict[tuple[str, str], Vectors] = {}
        query = select(View.content_hash, View.view, View.vector, View.norm)
        with self._database.reading() as connection:
            for chunk in chunks_of(sorted(set(hashes))):
                rows = connection.execute(query.where(View.content_hash.in_(chunk))).all()
                unit = unpack_blobs([row.vector for row in rows], self._dtype)
                for row, vector in zip(rows, unit, strict=True):
                    norm = np.array([row.norm], np.float32)
                    found[row.content_hash, row.view] = Vectors(vector[None], norm)
        return found


def delete_all_views(connection: Connection) -> None:
    """Forget every view, in the caller's transaction."""
    connection.execute(delete(View))


def delete_views_without_image(connection: Connection, hashes: Iterable[str]) -> None:
    """Forget the views of those contents that no image has, in the caller's transaction."""
    for chunk in chunks_of(sorted(set(hashes))):
        left = select(Image.content_hash).where(Image.content_hash.in_(chunk))
        connection.execute(
            delete(View).where(View.content_hash.in_(chunk), View.content_hash.not_in(left))
        )
