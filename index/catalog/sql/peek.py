"""A peek at whose embeddings an SQLite catalog holds, before SQLAlchemy could be imported.

This, `sqlite_files.py` and `dialects/sqlite.py` are the places that know SQLite.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from index.catalog.sql.sqlite_files import require_own_files
from index.errors import StoreError
from index.records import CatalogIdentity


def peek_identity(catalog: str | Path) -> CatalogIdentity | None:
    """Return what the settings of an SQLite catalog say, None where they cannot be read so easily.

    It is a hint for the warm-up, and no more: nothing is migrated, locked or explained here.
    Whoever takes the hint opens the catalog afterwards and compares.

    Parameters
    ----------
    catalog
        The database, as `Store.catalog` names it.
    """
    if not isinstance(catalog, Path):
        return None
    file = f"file:{quote(os.fsencode(catalog.absolute()))}?mode=ro"
    try:
        require_own_files(catalog)
        with closing(sqlite3.connect(file, uri=True, timeout=0)) as connection:
            return CatalogIdentity.of(dict(connection.execute("SELECT key, value FROM settings")))
    except (sqlite3.Error, StoreError, LookupError, TypeError, ValueError):
        return None
