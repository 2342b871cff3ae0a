"""The tables `categories` and `predictions`: what the engine says each image is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from index.blobs import pack_summary
from index.database import Database
from index.records import Ids, Named, PredictedCategory
from index.schema import Category, Image, Prediction

# Of five values each: SQLite takes 32,766 values in one statement, PostgreSQL twice as many.
ROWS_PER_STATEMENT = 512
COLUMNS = ("image_id", "category_id", "probability", "unknown", "built_in")


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
        rows = _columns(ids, named, keys)
        _upsert(connection, rows, ("probability",))
        _upsert(connection, rows, ("category_id", "unknown"))
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
    columns = [*_columns(ids, named, keys), built_in]
    _upsert(connection, columns, ("category_id", "probability", "unknown", "built_in"))


def _columns(ids: Ids, named: Named, keys: Sequence[int]) -> list[list[Any]]:
    """Return the values of the first of `COLUMNS`, column by column."""
    chosen = [keys[choice] for choice in named.choice.tolist()]
    return [ids.tolist(), chosen, named.probability.tolist(), named.unknown.tolist()]


def _upsert(connection: Connection, columns: Sequence[list[Any]], change: Sequence[str]) -> None:
    """Insert rows, or set the columns `change` of those that exist and differ there."""
    width, count = len(columns), len(columns[0])
    for start in range(0, count, ROWS_PER_STATEMENT):
        stop = min(start + ROWS_PER_STATEMENT, count)
        values: list[Any] = [None] * (width * (stop - start))
        for place, column in enumerate(columns):
            values[place::width] = column[start:stop]
        statement = _statement(connection.dialect.name, width, stop - start, tuple(change))
        connection.exec_driver_sql(statement, tuple(values))


@lru_cache(maxsize=16)
def _statement(dialect: str, width: int, rows: int, change: tuple[str, ...]) -> str:
    """Return an upsert of many rows as the driver takes it.

    SQLAlchemy would spend more on putting so large a statement together than the database does on
    carrying it out.
    """
    mark = "?" if dialect == "sqlite" else "%s"
    row = f"({', '.join([mark] * width)})"
    # Set and compared alike in all databases; a column that may be NULL is simply set.
    differs = " OR ".join(f"predictions.{name} <> excluded.{name}" for name in change)
    return (
        f"INSERT INTO predictions ({', '.join(COLUMNS[:width])}) VALUES {', '.join([row] * rows)} "
        f"ON CONFLICT (image_id) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in change)}"
        + ("" if "built_in" in change else f" WHERE {differs}")
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
