"""Telling a damaged catalog from a fault of ours, where something failed that should not.

A disk may leave a value that no column can hold: a time that is none, NULL where there must be
something, a text where a number was. SQLite gives it out, and whatever comes across it fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from index.catalog.catalog import Catalog
from index.catalog.sql.schema import Base
from index.errors import CatalogDamagedError, CatalogError, EngineError


@contextmanager
def diagnosed(catalog: Catalog) -> Iterator[None]:
    """Raise what failed in a `with` block, as damage of the catalog where that is what it is.

    Raises
    ------
    CatalogDamagedError
        Something failed that is no `EngineError`, and the catalog holds what it cannot hold.
    """
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        found = impossible_values(catalog)
        if not found:
            raise
        raise _damaged(catalog, found) from error


def require_sound(catalog: Catalog) -> None:
    """Insist that what the database finds out about its file is in order.

    Raises
    ------
    CatalogDamagedError
        It is not.
    """
    if problems := catalog.problems():
        raise _damaged(catalog, problems[0])


def impossible_values(catalog: Catalog) -> str:
    """Read everything in a catalog, and say what is wrong with the first value that is; or ""."""
    try:
        if problems := catalog.problems():
            return problems[0]
        with catalog.database.reading() as connection:
            for table in Base.metadata.sorted_tables:
                columns = [(column.name, column.type.python_type) for column in table.columns]
                for row in connection.execute(select(table)):
                    for (name, kind), value in zip(columns, row, strict=True):
                        if value is not None and not isinstance(value, kind):
                            return f"{value!r:.40} in the column {name} of {table.name}"
    except CatalogError as error:
        return error.reason
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _damaged(catalog: Catalog, what: str) -> CatalogDamagedError:
    return CatalogDamagedError(
        catalog.database.name,
        f"the catalog is damaged ({what})",
        "Nothing was changed by this. Put back a copy of the file, or index into another store "
        "with --store",
    )
