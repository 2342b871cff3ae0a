"""The tables `settings` and `generations`: what a catalog is, and which states it has been in."""

from __future__ import annotations

from secrets import token_hex
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from index.catalog.sql.dialects.rows import bulk_of
from index.catalog.sql.schema import Generation, Setting
from index.errors import CatalogDamagedError, CatalogError, UsageError
from index.records import CatalogIdentity
from index.state import CatalogState, Preference
from index.vector_address import VectorAddress

# So many generations can be told from those of another catalog; an index that lies further behind
# is built anew. One row takes some 50 bytes.
HISTORY = 65_536
# No whole number of the settings has so many.
DIGITS = 20
# As text, which has no parameters: every search begins with it.
_STATE = (
    "SELECT key, value FROM settings WHERE key IN ('catalog_id', 'generation', 'generation_token')"
)


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
    try:
        return CatalogIdentity.of({row.key: row.value for row in rows})
    except (LookupError, TypeError, ValueError) as error:
        raise damaged_settings(connection, str(error)) from None


def write_identity(connection: Connection, identity: CatalogIdentity) -> None:
    """Record whose embeddings this catalog holds."""
    for key in ("backbone", "fingerprint", "dim", "dtype", "precision"):
        write_setting(connection, key, str(getattr(identity, key)))
    write_setting(connection, "catalog_id", uuid4().hex)


def read_state(connection: Connection) -> CatalogState:
    """Return the state that the visible embeddings are in."""
    read = bulk_of(connection).answers(connection, _STATE, ())
    found: dict[str, str] = {key: value for rows in read for key, value in rows}
    return CatalogState(
        found.get("catalog_id", ""),
        _whole(connection, "generation", found.get("generation", "0")),
        found.get("generation_token", ""),
    )


def was_in(connection: Connection, state: CatalogState) -> bool:
    """Say whether this catalog was once in a state, or is in it.

    False for a state of another catalog, for one of a copy that went another way, and for one
    that lies further back than the history reaches.
    """
    current = read_state(connection)
    # Without a token it is a catalog of an older release that could not be written: no history.
    if not current.token or state.catalog != current.catalog:
        return False
    query = select(Generation.token).where(Generation.number == state.generation)
    return bool(connection.execute(query).scalar_one_or_none() == state.token)


def write_first_token(connection: Connection) -> None:
    """Draw the token of generation 0, the state in which a catalog begins."""
    token = token_hex(16)
    write_setting(connection, "generation_token", token)
    connection.execute(insert(Generation).values(number=0, token=token))


def next_generation(connection: Connection, history: int = HISTORY) -> int:
    """Count one more change of the visible embeddings, in the caller's transaction.

    Parameters
    ----------
    history
        How many generations are remembered.

    Returns
    -------
    int
        Its number, for the rows that it writes.
    """
    number, token = read_state(connection).generation + 1, token_hex(16)
    write_setting(connection, "generation", str(number))
    write_setting(connection, "generation_token", token)
    connection.execute(insert(Generation).values(number=number, token=token))
    connection.execute(delete(Generation).where(Generation.number <= number - history))
    return number


def read_preference(connection: Connection) -> Preference:
    """Return what was asked of the index, `auto` and no limit where nobody asked."""
    memory = read_setting(connection, "index_memory")
    limit = _whole(connection, "index_memory", memory) if memory else None
    try:
        return Preference(read_setting(connection, "index") or "auto", limit)
    except CatalogError as error:
        raise damaged_settings(connection, f"index: {error.reason}") from None


def read_vectors(connection: Connection) -> VectorAddress:
    """Return where the vectors are kept: FAISS's files where nobody said otherwise."""
    named = read_setting(connection, "vectors")
    try:
        return VectorAddress.parse(named) if named else VectorAddress()
    except UsageError as error:
        raise damaged_settings(connection, f"vectors: {error.reason}") from None


def write_vectors(connection: Connection, address: VectorAddress) -> None:
    """Record where the vectors are kept, without a password."""
    write_setting(connection, "vectors", address.name)


def damaged_settings(connection: Connection, what: str) -> CatalogDamagedError:
    """Return the error of a catalog in whose settings stands what nobody has written there."""
    return CatalogDamagedError(
        connection.engine.url.database,
        f"the catalog is damaged (its settings: {what})",
        "Nothing was changed. Put back a copy of the file",
    )


def _whole(connection: Connection, key: str, value: object) -> int:
    """Return a setting that is a whole number of 0 or more."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < DIGITS):
        raise damaged_settings(connection, f"{key} is {value!r}")
    return int(text)


def write_preference(connection: Connection, preference: Preference) -> None:
    """Record what is asked of the index."""
    write_setting(connection, "index", preference.kind)
    write_setting(connection, "index_memory", str(preference.memory or ""))
