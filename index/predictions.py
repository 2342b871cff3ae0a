"""The tables `categories` and `predictions`: what the engine says each image is."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select

from index.database import Database
from index.records import Ids, Named, PredictedCategory
from index.schema import Category, Image, Prediction

ROWS_PER_STATEMENT = 50_000


class PredictionTable:
    """Verbs over the predictions of one catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, ids: Sequence[int]) -> dict[int, PredictedCategory]:
        """Return the predictions of at most a few hundred images."""
        query = (
            select(
                Prediction.image_id,
                Category.name,
                Category.source,
                Prediction.probability,
                Prediction.unknown,
            )
            .join(Category)
            .where(Prediction.image_id.in_(ids))
        )
        with self._database.reading() as connection:
            return {row.image_id: PredictedCategory(*row) for row in connection.execute(query)}

    def counts(self) -> dict[str, int]:
        """Return how many visible images each category was given, most frequent first."""
        query = (
            select(Category.name, func.count())
            .join(Prediction, Prediction.category_id == Category.id)
            .join(Image, Image.id == Prediction.image_id)
            .where(Image.missing_since.is_(None), Prediction.unknown.is_(False))
            .group_by(Category.name)
            .order_by(func.count().desc(), Category.name)
        )
        with self._database.reading() as connection:
            return {name: int(count) for name, count in connection.execute(query)}


def replace_predictions(connection: Connection, ids: Ids, named: Named) -> None:
    """Exchange every prediction and category for these, in the caller's transaction."""
    connection.execute(delete(Prediction))
    connection.execute(delete(Category))
    write_predictions(connection, ids, named)


def write_predictions(connection: Connection, ids: Ids, named: Named) -> None:
    """Set the predictions of images `ids` inside the caller's transaction."""
    if not len(ids):
        return
    keys = _category_ids(connection, named.names)
    for start in range(0, len(ids), ROWS_PER_STATEMENT):
        part = slice(start, start + ROWS_PER_STATEMENT)
        rows = [
            {
                "image_id": image_id,
                "category_id": keys[choice],
                "probability": probability,
                "unknown": unknown,
            }
            for image_id, choice, probability, unknown in zip(
                ids[part].tolist(),
                named.choice[part].tolist(),
                named.probability[part].tolist(),
                named.unknown[part].tolist(),
                strict=True,
            )
        ]
        _forget(connection, [row["image_id"] for row in rows])
        connection.execute(insert(Prediction), rows)


def _forget(connection: Connection, ids: Sequence[int]) -> None:
    for start in range(0, len(ids), 900):
        connection.execute(
            delete(Prediction).where(Prediction.image_id.in_(ids[start : start + 900]))
        )


def _category_ids(connection: Connection, names: Sequence[tuple[str, str]]) -> list[int]:
    """Return the row of each category, making those that are new."""
    query = select(Category.source, Category.name, Category.id)
    known = {(source, name): key for source, name, key in connection.execute(query)}
    new = [pair for pair in dict.fromkeys(names) if pair not in known]
    if new:
        connection.execute(
            insert(Category), [{"source": source, "name": name} for source, name in new]
        )
        known = {(source, name): key for source, name, key in connection.execute(query)}
    return [known[pair] for pair in names]
