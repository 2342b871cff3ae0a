"""The table `judgements`: what people said that contents show, and what they do not show.

A judgement is about a content, as its hash names it: files may move, images be forgotten and
indexed again, and none is lost. Nothing but `forget` takes one back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, func, insert, select

from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.schema import Image, Judgement
from index.records import JudgedContent


class JudgementTable:
    """Verbs over the judgements of one catalog.

    Parameters
    ----------
    database
        Where they are. An older catalog that cannot be written has none.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, category: str, answers: Mapping[str, bool]) -> None:
        """Remember whether contents show a category, by content hash, in place of what was said."""
        if not answers:
            return
        moment = datetime.now(UTC)
        rows = [
            {"category": category, "content_hash": digest, "yes": yes, "at": moment}
            for digest, yes in answers.items()
        ]
        with self._database.writing() as connection:
            for chunk in chunks_of(list(answers)):
                connection.execute(delete(Judgement).where(_said(category, chunk)))
            connection.execute(insert(Judgement), rows)

    def forget(self, category: str, hashes: Sequence[str]) -> int:
        """Forget what was said of contents and a category; return how many judgements that were."""
        gone = 0
        with self._database.writing() as connection:
            for chunk in chunks_of(hashes):
                gone += connection.execute(delete(Judgement).where(_said(category, chunk))).rowcount
        return gone

    def all(self) -> list[JudgedContent]:
        """Return every judgement by category and content, with an image of the content.

        That image is the oldest that has it, gone ones included; None where there is none.
        """
        if not self._database.has_judgements:
            return []
        of_content = (
            select(Image.content_hash, func.min(Image.id).label("id"))
            .group_by(Image.content_hash)
            .subquery()
        )
        query = select(
            Judgement.category, Judgement.content_hash, Judgement.yes, of_content.c.id
        ).outerjoin(of_content, of_content.c.content_hash == Judgement.content_hash)
        with self._database.reading() as connection:
            found = [JudgedContent(*row) for row in connection.execute(query)]
        # Sorted here: databases differ in how they order text.
        return sorted(found, key=lambda each: (each.category, each.content_hash))

    def images(self, category: str) -> list[tuple[int, bool]]:
        """Return the visible images of judged contents, the oldest of each, and what was said."""
        if not self._database.has_judgements:
            return []
        first = func.min(Image.id)
        query = (
            select(first, Judgement.yes)
            .join(Image, Image.content_hash == Judgement.content_hash)
            .where(Judgement.category == category, Image.missing_since.is_(None))
            .group_by(Judgement.content_hash, Judgement.yes)
            .order_by(first)
        )
        with self._database.reading() as connection:
            return [(image_id, yes) for image_id, yes in connection.execute(query)]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return how many contents were said to show each category, and not to, by its name."""
        if not self._database.has_judgements:
            return {}
        query = select(Judgement.category, Judgement.yes, func.count()).group_by(
            Judgement.category, Judgement.yes
        )
        found: dict[str, tuple[int, int]] = {}
        with self._database.reading() as connection:
            for category, yes, number in connection.execute(query):
                before = found.get(category, (0, 0))
                found[category] = (number, before[1]) if yes else (before[0], number)
        return dict(sorted(found.items()))


def _said(category: str, hashes: Sequence[str]) -> ColumnElement[bool]:
    return (Judgement.category == category) & Judgement.content_hash.in_(hashes)
