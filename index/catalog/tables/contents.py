"""Which images hold the same content, and what a catalog remembers of their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, select

from index.catalog.sql.database import Database, chunks_of, driver_rows
from index.catalog.sql.schema import Image, Query
from index.records import Content, FileState, ImageFacts


class ContentTable:
    """Reading the contents of one catalog's images.

    Parameters
    ----------
    database
        Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def first(self, content_hash: str) -> int | None:
        """Return the oldest image that has a content, gone ones included, None where none has.

        However many have it: no row of theirs is read.
        """
        query = select(func.min(Image.id)).where(Image.content_hash == content_hash)
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def hashes(self) -> Iterator[str]:
        """Yield the content hash of every image, gone ones included, in no order."""
        query = select(Image.content_hash).execution_options(yield_per=10_000)
        with self._database.reading() as connection:
            yield from connection.execute(query).scalars()

    def visible(self) -> list[Content]:
        """Return what every visible image holds, in order of id."""
        query = select(Image.id, Image.path, Image.content_hash, Image.label)
        query = query.where(Image.missing_since.is_(None)).order_by(Image.id)
        decode = self._database.paths.decode
        with self._database.reading() as connection:
            return [
                Content(image_id, decode(path), digest, label)
                for rows in driver_rows(connection.execute(query))
                for image_id, path, digest, label in rows
            ]

    def copies(self) -> dict[int, ImageFacts]:
        """Return the visible images whose content another of them has, too, in order of id."""
        visible = Image.missing_since.is_(None)
        twice = select(Image.content_hash).where(visible).group_by(Image.content_hash)
        query = _facts_query().where(visible).order_by(Image.id)
        query = query.where(Image.content_hash.in_(twice.having(func.count() > 1)))
        with self._database.reading() as connection:
            return dict(map(self._facts, connection.execute(query)))

    def facts(self, ids: Sequence[int]) -> dict[int, ImageFacts]:
        """Return what was read of these images, gone ones included; unknown ids are left out."""
        found: dict[int, ImageFacts] = {}
        with self._database.reading() as connection:
            for chunk in chunks_of(ids):
                rows = connection.execute(_facts_query().where(Image.id.in_(chunk)))
                found.update(map(self._facts, rows))
        return found

    def _facts(self, row: Any) -> tuple[int, ImageFacts]:
        image_id, path, size, mtime_ns, *others = row
        path = self._database.paths.decode(path)
        return image_id, ImageFacts(FileState(path, size, mtime_ns), *others)


def _facts_query() -> Query:
    return select(
        Image.id,
        Image.path,
        Image.size,
        Image.mtime_ns,
        Image.scanned_ns,
        Image.content_hash,
        Image.width,
        Image.height,
        Image.format,
        Image.label,
    )
