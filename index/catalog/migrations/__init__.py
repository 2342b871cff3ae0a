"""Numbered steps that bring a catalog of any age to today's tables, one idea each.

A step is a module `mNNNN_what.py` with a function `apply(connection)`. Steps are never edited once
released; a change to the tables is a new step. The number of the last one applied is the setting
`schema`.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, inspect, text

from index.catalog.migrations import m0001_tables, m0002_removals, m0003_networks, m0004_built_in
from index.errors import CatalogVersionError

MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    m0001_tables.apply,
    m0002_removals.apply,
    m0003_networks.apply,
    m0004_built_in.apply,
)


def schema_version(connection: Connection) -> int:
    """Return the number of the last migration applied, 0 for an empty database.

    Raises
    ------
    CatalogVersionError
        The database was written by a newer release.
    """
    if not inspect(connection).has_table("settings"):
        return 0
    value = connection.execute(text("SELECT value FROM settings WHERE key = 'schema'")).scalar()
    version = int(value) if value is not None else 0
    if version > len(MIGRATIONS):
        raise CatalogVersionError(
            connection.engine.url.database,
            f"the catalog has schema {version}, this release knows {len(MIGRATIONS)}",
            "Upgrade the engine: pip install --upgrade image-engine",
        )
    return version


def migrate(connection: Connection) -> None:
    """Apply, in the caller's transaction, every step this database has not seen.

    Raises
    ------
    CatalogVersionError
        The database was written by a newer release.
    """
    version = schema_version(connection)
    for number, apply in enumerate(MIGRATIONS[version:], start=version + 1):
        apply(connection)
        connection.execute(text("DELETE FROM settings WHERE key = 'schema'"))
        connection.execute(
            text("INSERT INTO settings (key, value) VALUES ('schema', :version)"),
            {"version": str(number)},
        )
