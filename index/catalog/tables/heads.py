"""The table `heads`: trained layers, whole, as the bytes of their files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, insert, select

from index.catalog.sql.database import Database
from index.catalog.sql.schema import Head
from index.records import HeadRow


class HeadTable:
    """Verbs over the heads of one catalog; their bytes mean nothing to this room."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[HeadRow]:
        """Return every head, by name."""
        query = select(Head.name, Head.created_at, Head.file)
        with self._database.reading() as connection:
            found = [HeadRow(*row) for row in connection.execute(query)]
        # Sorted here: databases differ in how they order text.
        return sorted(found, key=lambda head: head.name)

    def times(self) -> dict[str, datetime]:
        """Return when each head was stored, by name; one that takes another's name is later."""
        with self._database.reading() as connection:
            found = connection.execute(select(Head.name, Head.created_at))
            return {row.name: row.created_at for row in found}

    def named(self, names: Sequence[str]) -> list[HeadRow]:
        """Return the heads of these names, in no order; unknown ones are left out."""
        query = select(Head.name, Head.created_at, Head.file)
        with self._database.reading() as connection:
            return [
                HeadRow(*row)
                for name in names
                for row in connection.execute(query.where(Head.name == name))
            ]


def put_head(connection: Connection, name: str, file: bytes) -> None:
    """Store a head under `name`, in place of one that had it, in the caller's transaction."""
    connection.execute(delete(Head).where(Head.name == name))
    connection.execute(insert(Head).values(name=name, created_at=datetime.now(UTC), file=file))


def delete_head(connection: Connection, name: str) -> int:
    """Forget a head in the caller's transaction; return how many others there are."""
    connection.execute(delete(Head).where(Head.name == name))
    return connection.execute(select(func.count()).select_from(Head)).scalar_one()
