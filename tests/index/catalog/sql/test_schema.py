"""The tables, and the columns that need care on their way in and out."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Result, create_engine, create_mock_engine, delete, insert, inspect, select
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData

from index.catalog.catalog import Catalog
from index.catalog.paths import PathCodec
from index.catalog.sql.database import Database
from index.catalog.sql.migrations import MIGRATIONS
from index.catalog.sql.schema import Base, Head
from index.catalog.tables.images import Batch
from index.records import CatalogIdentity

MakeBatch = Callable[..., Batch]
names = st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def _described(database: Any) -> dict[str, Any]:
    inspector = inspect(database)
    return {
        table: (
            {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in inspector.get_columns(table)
            },
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted(
                (index["name"], index["column_names"], index["unique"])
                for index in inspector.get_indexes(table)
            ),
            sorted(unique["column_names"] for unique in inspector.get_unique_constraints(table)),
            sorted(
                (key["constrained_columns"], key["referred_table"], key["options"])
                for key in inspector.get_foreign_keys(table)
            ),
        )
        for table in inspector.get_table_names()
    }


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_migrated_tables_are_the_declared_ones(
    kind: str, new_database: Callable[[str], str | Path]
) -> None:
    one, other = new_database(kind), new_database(kind)
    migrated, declared = Database(one), Database(other)
    migrated.migrate()
    with declared.writing() as connection:
        Base.metadata.create_all(connection)
    migrated.close()
    declared.close()
    assert _described_at(one) == _described_at(other)


def _described_at(database: str | Path) -> Any:
    """Return what SQLAlchemy sees of the tables; on a connection of its own, as it expects one."""
    url = f"sqlite:///{database}" if isinstance(database, Path) else database
    plain = create_engine(url)
    with plain.connect() as connection:
        described = _described(connection)
    plain.dispose()
    return described


def test_a_new_catalog_begins_in_the_state_that_the_migrations_lead_to(
    new_database: Callable[[str], str | Path], make_identity: Callable[..., CatalogIdentity]
) -> None:
    made, migrated = (Path(new_database("sqlite")) for _ in range(2))
    older = Database(migrated)
    older.migrate()
    older.close()
    assert _contents(made, make_identity()) == _contents(migrated, make_identity())


def _contents(path: Path, identity: CatalogIdentity) -> dict[str, Any]:
    """Return all that a catalog holds, of what was drawn at random its length alone."""
    Catalog.create(path, identity).close()
    database = Database(path)
    with database.reading() as connection:
        found = {
            name: [tuple(row) for row in connection.execute(select(table))]
            for name, table in Base.metadata.tables.items()
        }
    database.close()
    found["settings"] = sorted((key, _shape(key, value)) for key, value in found["settings"])
    found["generations"] = [(number, len(token)) for number, token in found["generations"]]
    return found


def _shape(key: str, value: str) -> str | int:
    return len(value) if key in {"catalog_id", "generation_token"} else value


@pytest.mark.parametrize("url", ["sqlite://", "postgresql+psycopg://"])
def test_the_migrations_and_the_declaration_are_spelled_alike(url: str) -> None:
    def spelled(create: Callable[[Any], object]) -> list[str]:
        statements: list[str] = []

        def note(sql: Any, *_: object) -> Result[Any]:
            statements.append(str(sql.compile(dialect=engine.dialect)))
            return IteratorResult(SimpleResultMetaData([]), iter(()))

        engine = create_mock_engine(url, note)
        options = {"paths": PathCodec()}
        engine.get_execution_options = lambda: options  # type: ignore[attr-defined]
        create(engine)
        return sorted(_with_added_columns(statements))

    migrated = spelled(lambda engine: [apply(engine) for apply in MIGRATIONS])
    assert len(migrated) >= len(Base.metadata.tables)
    assert migrated == spelled(lambda engine: Base.metadata.create_all(engine, checkfirst=False))


def _with_added_columns(statements: list[str]) -> list[str]:
    """Put columns that were added to a table later where its declaration has them: at the end."""
    made = [each for each in statements if each.startswith(("\nCREATE", "CREATE"))]
    for each in statements:
        if added := re.fullmatch(r"ALTER TABLE (\w+) ADD COLUMN (.+)", each):
            (table,) = [n for n, sql in enumerate(made) if f"TABLE {added[1]} (" in sql]
            # Constraints of the table come last.
            made[table] = re.sub(
                r"\t(PRIMARY KEY|UNIQUE) \(",
                lambda found, column=added[2]: f"\t{column}, \n{found[0]}",
                made[table],
                count=1,
            )
    return made


def _stored_moment(database: Database, moment: datetime) -> datetime:
    with database.writing() as connection:
        connection.execute(delete(Head))
        connection.execute(insert(Head).values(name="head", created_at=moment, file=b""))
    with database.reading() as connection:
        return connection.execute(select(Head.created_at)).scalar_one()


@settings(max_examples=40, deadline=None)
@given(
    moment=st.datetimes(
        datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=zones | st.just(UTC)
    )
)
def test_a_moment_comes_back_the_same_and_in_utc(shared_catalog: Catalog, moment: datetime) -> None:
    found = _stored_moment(shared_catalog.database, moment)
    assert found == moment
    assert found.tzinfo == UTC
