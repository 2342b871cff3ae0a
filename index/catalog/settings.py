"""The table `settings`: what this catalog is, and how often its embeddings have changed."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from index.catalog.schema import Setting
from index.records import CatalogIdentity, Preference


def read_setting(connection: Connection, key: str) -> str | None:
    """Return one setting, None where it was never made."""
    value: str | None = connection.execute(
        select(Setting.value).where(Setting.key == key)
    ).scalar_one_or_none()
    return value


def write_setting(connection: Connection, key: str, value: str) -> None:
    """Set one setting."""
    connection.execute(delete(Setting).where(Setting.key == key))
    connection.execute(insert(Setting).values(key=key, value=value))


def read_identity(connection: Connection) -> CatalogIdentity | None:
    """Return whose embeddings these are, None while the catalog is empty."""
    rows = connection.execute(select(Setting.key, Setting.value)).all()
    return CatalogIdentity.of({row.key: row.value for row in rows})


def write_identity(connection: Connection, identity: CatalogIdentity) -> None:
    """Record whose embeddings this catalog holds."""
    for key in ("backbone", "fingerprint", "dim", "dtype", "precision"):
        write_setting(connection, key, str(getattr(identity, key)))
    write_setting(connection, "catalog_id", uuid4().hex)


def read_catalog_id(connection: Connection) -> str:
    """Return what tells this catalog from every other, one of the same backbone included."""
    return read_setting(connection, "catalog_id") or ""


def read_generation(connection: Connection) -> int:
    """Return the number of the last change to the set of visible embeddings."""
    return int(read_setting(connection, "generation") or 0)


def next_generation(connection: Connection) -> int:
    """Count one more change and return its number, for the rows that it writes."""
    number = read_generation(connection) + 1
    write_setting(connection, "generation", str(number))
    return number


def read_preference(connection: Connection) -> Preference:
    """Return what was asked of the index, `auto` and no limit where nobody asked."""
    memory = read_setting(connection, "index_memory")
    return Preference(read_setting(connection, "index") or "auto", int(memory) if memory else None)


def write_preference(connection: Connection, preference: Preference) -> None:
    """Record what is asked of the index."""
    write_setting(connection, "index", preference.kind)
    write_setting(connection, "index_memory", str(preference.memory or ""))
