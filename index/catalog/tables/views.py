"""The table `views`: embeddings of training pictures, which a head may want to learn from again.

A view belongs to a content, not to a path. It goes when the last head does, and when the last image
of its content is removed; a head that learned from it is then extended without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, insert, null, select

from index.catalog.sql.checksums import checksum, is_sound
from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.schema import Image, Query, View
from index.catalog.vector_codec import pack, unpack_blobs
from index.records import Vectors


class ViewTable:
    """Verbs over training pictures embedded once, found by content and view."""

    def __init__(self, database: Database, dtype: str) -> None:
        self._database = database
        self._dtype = np.dtype(dtype)

    def put(self, keys: Sequence[tuple[str, str]], vectors: Vectors) -> None:
        """Store the embeddings of `keys`, each `(content_hash, view)`; known ones stay.

        Those that are damaged are replaced.
        """
        blobs = pack(vectors.unit, self._dtype)
        rows = {
            key: {
                "content_hash": key[0],
                "view": key[1],
                "vector": blob,
                "norm": norm,
                "crc32": checksum(" ".join(key), norm, blob),
            }
            for key, blob, norm in zip(keys, blobs, vectors.norm.tolist(), strict=True)
        }
        with self._database.writing() as connection:
            for chunk in chunks_of(sorted({content_hash for content_hash, _ in keys})):
                for known in connection.execute(self._query(chunk)):
                    key = known.content_hash, known.view
                    if key in rows and _is_sound(known):
                        del rows[key]
                    elif key in rows:
                        one = (View.content_hash == key[0]) & (View.view == key[1])
                        connection.execute(delete(View).where(one))
            if rows:
                connection.execute(insert(View), list(rows.values()))

    def get(self, hashes: Iterable[str]) -> dict[tuple[str, str], Vectors]:
        """Return the views at hand of these contents, each a `Vectors` of one row.

        One that is damaged is not at hand: its picture is embedded again.
        """
        found: dict[tuple[str, str], Vectors] = {}
        with self._database.reading() as connection:
            for chunk in chunks_of(sorted(set(hashes))):
                rows = list(filter(_is_sound, connection.execute(self._query(chunk))))
                unit = unpack_blobs([row.vector for row in rows], self._dtype)
                for row, vector in zip(rows, unit, strict=True):
                    norm = np.array([row.norm], np.float32)
                    found[row.content_hash, row.view] = Vectors(vector[None], norm)
        return found

    def _query(self, hashes: Sequence[str]) -> Query:
        # An older catalog that cannot be written has no checksums.
        crc32 = View.crc32 if self._database.has_checksums else null().label("crc32")
        query = select(View.content_hash, View.view, View.vector, View.norm, crc32)
        return query.where(View.content_hash.in_(hashes))


def _is_sound(row: Any) -> bool:
    return is_sound(f"{row.content_hash} {row.view}", row.norm, row.vector, row.crc32)


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
