"""The tables `categories` and `predictions`: what the engine says each image is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.dialects.rows import Upsert, bulk_of
from index.catalog.sql.schema import Category, Image, Prediction, table_of
from index.catalog.vector_codec import pack_summary
from index.records import Ids, Named, PredictedCategory

# There is no category 0: a row that does not exist after all is an error, not a wrong prediction.
ROWS = Upsert(
    table_of(Prediction),
    "image_id",
    (("category_id", "0"), ("probability", "0"), ("unknown", "FALSE"), ("built_in", "NULL")),
    nullable=frozenset({"built_in"}),
)


class PredictionTable:
    """Verbs over the predictions of one catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, ids: Sequence[int]) -> dict[int, PredictedCategory]:
        """Return the predictions of these images; unknown ids are left out."""
        query = select(
            Prediction.image_id,
            Category.name,
            Category.source,
            Prediction.probability,
            Prediction.unknown,
        ).join(Category)
        with self._database.reading() as connection:
            return {
                row.image_id: PredictedCategory(*row)
                for chunk in chunks_of(ids)
                for row in connection.execute(query.where(Prediction.image_id.in_(chunk)))
            }

    def names(self) -> list[str]:
        """Return the categories that compete, those that no image has included."""
        with self._database.reading() as connection:
            return list(connection.execute(select(Category.name).order_by(Category.id)).scalars())

    def named(self) -> dict[int, str]:
        """Return the category of every visible image of which the engine is convinced."""
        query = (
            select(Prediction.image_id, Category.name)
            .join(Category, Prediction.category_id == Category.id)
            .join(Image, Image.id == Prediction.image_id)
            .where(Image.missing_since.is_(None), Prediction.unknown.is_(False))
        )
        with self._database.reading() as connection:
            return {
                image_id: name
                for rows in bulk_of(connection).stream(connection, query)
                for image_id, name in rows
            }

    def counts(self) -> dict[str, int]:
        """Return how many visible images each category was given, most frequent first."""
        query = (
            select(Category.name, func.count())
            .join(Prediction, Prediction.category_id == Category.id)
            .join(Image, Image.id == Prediction.image_id)
            .where(Image.missing_since.is_(None), Prediction.unknown.is_(False))
            .group_by(Category.name)
        )
        with self._database.reading() as connection:
            found = [(name, int(count)) for name, count in connection.execute(query)]
        # Sorted here: databases differ in how they order text.
        return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))

    def shown(self, *, labels: bool = False) -> dict[int, str | None]:
        """Return the category of every visible image, None where nothing was convincing.

        Parameters
        ----------
        labels
            Return what a person says it is instead, None where nobody does.
        """
        convincing = (Prediction.image_id == Image.id) & Prediction.unknown.is_(False)
        query = select(Image.id, Image.label if labels else Category.name)
        if not labels:
            query = query.select_from(Image).outerjoin(Prediction, convincing)
            query = query.outerjoin(Category, Category.id == Prediction.category_id)
        query = query.where(Image.missing_since.is_(None))
        with self._database.reading() as connection:
            return {
                image_id: name
                for rows in bulk_of(connection).stream(connection, query)
                for image_id, name in rows
            }


def replace_predictions(
    connection: Connection, names: Sequence[tuple[str, str]], parts: Iterable[tuple[Ids, Named]]
) -> None:
    """Bring every prediction up to date, in the caller's transaction, and drop other categories.

    Rows that are right already are not written, and the index of categories is left alone where
    only a probability is new: that is most of the work where a head changes little.

    Parameters
    ----------
    names
        All categories that compete, in the order that `choice` of the parts counts in.
    parts
        Ids and predictions of all images, some at a time.
    """
    keys = _category_ids(connection, names)
    for ids, named in parts:
        if named.summary is not None:
            _write(connection, ids, named, keys)
            continue
        ROWS.execute(connection, ids.tolist(), _values(named, keys), unindexed=["probability"])
    wanted = set(keys)
    others = [
        {"key": key}
        for key in connection.execute(select(Category.id)).scalars()
        if key not in wanted
    ]
    if others:
        connection.execute(delete(Category).where(Category.id == bindparam("key")), others)


def write_predictions(connection: Connection, ids: Ids, named: Named) -> None:
    """Set the predictions of images `ids` inside the caller's transaction."""
    if len(ids):
        _write(connection, ids, named, _category_ids(connection, named.names))


def _write(connection: Connection, ids: Ids, named: Named, keys: Sequence[int]) -> None:
    """Set all there is to know of these images' predictions."""
    summary = named.summary
    built_in = pack_summary(summary) if summary is not None else [None] * len(ids)
    ROWS.execute(connection, ids.tolist(), {**_values(named, keys), "built_in": built_in})


def _values(named: Named, keys: Sequence[int]) -> dict[str, list[Any]]:
    return {
        "category_id": [keys[choice] for choice in named.choice.tolist()],
        "probability": named.probability.tolist(),
        "unknown": named.unknown.tolist(),
    }


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
