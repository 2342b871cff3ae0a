"""Rows inserted or changed in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Upsert:
    """Rows inserted in bulk, or changed where there are rows of the same key.

    Attributes
    ----------
    table, key
        The table's name, and that of its integer key.
    fillers
        Every other column, with the SQL that stands for its value where that is not given.
    nullable
        Columns that may be NULL, which databases compare in different ways.
    rows_per_statement
        Of at most some five values each: SQLite takes 32,766 values in one statement, PostgreSQL
        twice as many.
    """

    table: str
    key: str
    fillers: tuple[tuple[str, str], ...]
    nullable: frozenset[str] = frozenset()
    rows_per_statement: int = 512

    def execute(
        self, connection: Connection, ids: Sequence[int], values: Mapping[str, Sequence[Any]]
    ) -> None:
        """Insert rows of all columns, or set those in `values` of rows that differ there."""
        columns = [ids, *values.values()]
        width = len(columns)
        marker = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        for start in range(0, len(ids), self.rows_per_statement):
            stop = min(start + self.rows_per_statement, len(ids))
            flat: list[Any] = [None] * (width * (stop - start))
            for position, column in enumerate(columns):
                flat[position::width] = column[start:stop]
            statement = _upsert_sql(self, marker, stop - start, tuple(values))
            connection.exec_driver_sql(statement, tuple(flat))


@lru_cache(maxsize=16)
def _upsert_sql(target: Upsert, marker: str, rows: int, change: tuple[str, ...]) -> str:
    """Return an upsert of many rows as the driver takes it.

    SQLAlchemy would spend more on putting so large a statement together than the database does on
    carrying it out.
    """
    columns = ", ".join([target.key, *(name for name, _ in target.fillers)])
    given = [marker, *(marker if name in change else sql for name, sql in target.fillers)]
    all_rows = ", ".join([f"({', '.join(given)})"] * rows)
    statement = (
        f"INSERT INTO {target.table} ({columns}) VALUES {all_rows} "
        f"ON CONFLICT ({target.key}) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in change)}"
    )
    if target.nullable.intersection(change):
        return statement
    differs = " OR ".join(f"{target.table}.{name} <> excluded.{name}" for name in change)
    return f"{statement} WHERE {differs}"
