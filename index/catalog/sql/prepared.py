"""Queries that every search waits for, put together once and handed to the driver as text.

SQLAlchemy takes several times as long to execute a statement with a list of values as SQLite takes
to answer it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect

from index.catalog.sql.database import chunks_of
from index.catalog.sql.dialects.rows import bulk_of
from index.catalog.sql.schema import Query

# The parameter that stands for the ids.
IDS = "ids"


class PreparedQuery:
    """A query for some ids; its rows come as the driver gives them.

    Parameters
    ----------
    query
        Its one parameter is `IDS`, expanding.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        # One for each number of ids that a statement may name.
        self._texts: dict[tuple[str, int], tuple[str, Sequence[str] | None]] = {}
        self._of_array: str | None = None

    def rows(self, connection: Connection, ids: Sequence[int]) -> Iterator[Sequence[Any]]:
        """Yield the rows of any number of ids."""
        for chunk in chunks_of(ids):
            for rows in self.parts(connection, chunk):
                yield from rows

    def parts(
        self, connection: Connection, ids: Sequence[int], size: int = 1024
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield the rows of as many ids as one statement may name, `size` at a time."""
        bulk = bulk_of(connection)
        array = bulk.array_of(ids)
        if array is not None:
            return bulk.answers(connection, self._array_text(connection.dialect), (array,), size)
        text, names = self._text(connection.dialect, len(ids))
        values: Any = tuple(ids) if names is None else dict(zip(names, ids, strict=True))
        return bulk.answers(connection, text, values, size)

    def _array_text(self, dialect: Dialect) -> str:
        """Return the query for an array of any number of ids."""
        if self._of_array is None:
            compiled: Any = self._query.compile(dialect=dialect)
            expanded = compiled.construct_expanded_state({IDS: [0]})
            (name,) = expanded.parameters
            given = f"%({name})s"
            type_ = expanded.statement.partition(given)[2].partition(")")[0]
            named = f"IN ({given}{type_})"
            assert named in expanded.statement
            self._of_array = expanded.statement.replace(named, "= ANY (%s::bigint[])")
        return self._of_array

    def _text(self, dialect: Dialect, count: int) -> tuple[str, Sequence[str] | None]:
        """Return the query for so many ids, and their names in it, None where they have none."""
        key = dialect.name, count
        if key not in self._texts:
            compiled: Any = self._query.compile(dialect=dialect)
            expanded = compiled.construct_expanded_state({IDS: [0] * count})
            names = None if compiled.positional else tuple(expanded.parameters)
            self._texts[key] = expanded.statement, names
        return self._texts[key]
