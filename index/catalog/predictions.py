"""The tables `categories` and `predictions`: what the engine says each image is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from index.catalog.database import Database
from index.catalog.schema import Category, Image, Prediction
from index.catalog.vector_codec import pack_summary
from index.records import Ids, Named, PredictedCategory

# Of five values each: SQLite takes 32,766 values in one statement, PostgreSQL twice as many.
ROWS_PER_STATEMENT = 512
COLUMNS = ("image_id", "category_id", "probability", "unknown", "built_in")
# What stands for a value that a row keeps. There is no category 0: a row that does not exist after
# all is an error, not a wrong prediction.
FILLERS = {"category_id": "0", "probability": "0", "unknown": "FALSE", "built_in": "NULL"}


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
        values = _values(named, keys)
        _upsert(connection, ids, {"probability": values.pop("probability")})
        _upsert(connection, ids, values)
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
    _upsert(connection, ids, {**_values(named, keys), "built_in": built_in})


def _values(named: Named, keys: Sequence[int]) -> dict[str, list[Any]]:
    return {
        "category_id": [keys[choice] for choice in named.choice.tolist()],
        "probability": named.probability.tolist(),
        "unknown": named.unknown.tolist(),
    }


def _upsert(connection: Connection, ids: Ids, values: Mapping[str, list[Any]]) -> None:
    """Insert rows of all values, or set these values of rows that exist and differ there."""
    columns = [ids.tolist(), *values.values()]
    width = len(columns)
    for start in range(0, len(ids), ROWS_PER_STATEMENT):
        stop = min(start + ROWS_PER_STATEMENT, len(ids))
        flat: list[Any] = [None] * (width * (stop - start))
        for place, column in enumerate(columns):
            flat[place::width] = column[start:stop]
        statement = _statement(connection.dialect.name, stop - start, tuple(values))
        connection.exec_driver_sql(statement, tuple(flat))


@lru_cache(maxsize=16)
def _statement(dialect: str, rows: int, change: tuple[str, ...]) -> str:
    """Return an upsert of many rows as the driver takes it.

    SQLAlchemy would spend more on putting so large a statement together than the database does on
    carrying it out.
    """
    mark = "?" if dialect == "sqlite" else "%s"
    given = [mark if name in ("image_id", *change) else FILLERS[name] for name in COLUMNS]
    rows_given = ", ".join([f"({', '.join(given)})"] * rows)
    statement = (
        f"INSERT INTO predictions ({', '.join(COLUMNS)}) VALUES {rows_given} "
        f"ON CONFLICT (image_id) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in change)}"
    )
    if "built_in" in change:
        # It may be NULL, and databases differ in how that is compared.
        return statement
    return f"{statement} WHERE " + " OR ".join(f"predictions.{n} <> excluded.{n}" for n in change)


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
