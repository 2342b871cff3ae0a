"""What values the visible images of a catalog have in a field of a filter."""

from __future__ import annotations

from sqlalchemy import func, select

from index.catalog.sql.database import Database
from index.catalog.sql.schema import Image, Query
from index.catalog.tables.filters import NUMBER_FIELDS, TEXT_FIELDS, with_prediction


class ValueTable:
    """Verbs over what images have in the fields that filters know."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, field: str) -> list[str]:
        """Return the values of a text field, each once, in order of the first id that has it.

        Parameters
        ----------
        field
            A key of `TEXT_FIELDS`. A category counts where the engine is convinced of it.
        """
        column, first = TEXT_FIELDS[field], func.min(Image.id)
        query = _visible(select(column, first), field).where(column.is_not(None))
        with self._database.reading() as connection:
            rows = connection.execute(query.group_by(column).order_by(first))
            decode = self._database.paths.decode if column is Image.path else str
            return [decode(value) for value, _ in rows]

    def range(self, field: str) -> tuple[float, float] | None:
        """Return the least and the largest value of a number, None where no image has one.

        Parameters
        ----------
        field
            A key of `NUMBER_FIELDS`.
        """
        column = NUMBER_FIELDS[field]
        query = _visible(select(func.min(column), func.max(column)), field)
        with self._database.reading() as connection:
            least, most = connection.execute(query).one()
        return None if least is None else (least, most)


def _visible(query: Query, field: str) -> Query:
    """Return a query over visible images, joined with predictions where a field needs them."""
    if field in ("category", "probability"):
        query = with_prediction(query)
    return query.where(Image.missing_since.is_(None))
