"""Which images hold the same content, what a catalog remembers of their files, and which contents
a person said are no duplicates of each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import delete, func, insert, select

from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.dialects.rows import bulk_of
from index.catalog.sql.schema import DistinctPair, Image, Query
from index.records import Content, FileState, ImageFacts

# Two hashes, the lesser first.
HashPair: TypeAlias = tuple[str, str]
# Every act of remembering has a time of its own, in what databases can tell apart.
TICK = timedelta(microseconds=1)


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
                for rows in bulk_of(connection).stream(connection, query)
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

    def of_contents(self, hashes: Iterable[str]) -> dict[int, str]:
        """Return the visible images that have one of these contents, each with its own."""
        query = select(Image.id, Image.content_hash).where(Image.missing_since.is_(None))
        found: dict[int, str] = {}
        with self._database.reading() as connection:
            for chunk in chunks_of(sorted(set(hashes))):
                rows = connection.execute(query.where(Image.content_hash.in_(chunk)))
                found.update((row.id, row.content_hash) for row in rows)
        return found

    def distinct_pairs(self) -> dict[HashPair, datetime]:
        """Return which contents are remembered as no duplicates of each other, and since when.

        A content that is paired with itself may be there several times.
        """
        if not self._database.has_judgements:
            return {}
        with self._database.reading() as connection:
            rows = connection.execute(
                select(DistinctPair.first_hash, DistinctPair.second_hash, DistinctPair.at)
            )
            return {(one, other): at for one, other, at in rows}

    def add_distinct(self, pairs: Iterable[HashPair]) -> datetime | None:
        """Remember pairs that are no duplicates; return when, which names them all.

        Pairs that are remembered already stay as they are; where all are, there is nothing to take
        back, and the answer is None.
        """
        known = self.distinct_pairs()
        new = sorted({_ordered(pair) for pair in pairs} - known.keys())
        if not new:
            return None
        at = max([datetime.now(UTC), *(each + TICK for each in known.values())])
        rows = [{"first_hash": one, "second_hash": other, "at": at} for one, other in new]
        with self._database.writing() as connection:
            connection.execute(insert(DistinctPair), rows)
        return at

    def forget_distinct(self, at: datetime) -> int:
        """Take back the pairs that were remembered at a time; return how many these were."""
        if not self._database.has_judgements:
            return 0
        with self._database.writing() as connection:
            return connection.execute(delete(DistinctPair).where(DistinctPair.at == at)).rowcount

    def _facts(self, row: Any) -> tuple[int, ImageFacts]:
        image_id, path, size, mtime_ns, *others = row
        path = self._database.paths.decode(path)
        return image_id, ImageFacts(FileState(path, size, mtime_ns), *others)


def _ordered(pair: HashPair) -> HashPair:
    one, other = sorted(pair)
    return one, other


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
