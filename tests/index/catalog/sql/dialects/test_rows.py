"""Rows written and read in bulk: on every database what a dictionary would hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from index.catalog.sql.database import Database
from index.catalog.sql.dialects.rows import Upsert, bulk_of
from index.catalog.sql.schema import RowId
from index.errors import CatalogError

METADATA = MetaData()
NUMBERS = Table(
    "numbers",
    METADATA,
    Column("id", RowId, primary_key=True),
    Column("whole", BigInteger, nullable=False, index=True),
    Column("share", Float, nullable=False),
    Column("sure", Boolean, nullable=False),
    Column("data", LargeBinary),
    Column("words", Text),
)
TARGET = Upsert(
    NUMBERS,
    "id",
    (("whole", "0"), ("share", "0"), ("sure", "FALSE"), ("data", "NULL"), ("words", "NULL")),
    nullable=frozenset({"data", "words"}),
    rows_per_statement=3,
)
SHARED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
VALUES = {
    "whole": st.integers(-(2**63), 2**63 - 1),
    "share": st.floats(allow_nan=False, width=32),
    "sure": st.booleans(),
    "data": st.none() | st.binary(max_size=9),
    "words": st.none() | WORDS,
}
ROWS = st.lists(st.fixed_dictionaries(VALUES), max_size=8)
CHANGES = st.dictionaries(st.integers(1, 12), st.fixed_dictionaries(VALUES), max_size=8)


@pytest.fixture
def database(database_url: str | Path) -> Iterator[Database]:
    """A database with the table `numbers`."""
    opened = Database(database_url)
    with opened.writing() as connection:
        METADATA.create_all(connection)
    yield opened
    opened.close()


def held(connection: Connection) -> dict[int, dict[str, Any]]:
    rows = connection.execute(select(NUMBERS).order_by(NUMBERS.c.id)).mappings()
    return {row["id"]: {name: row[name] for name in VALUES} for row in rows}


@SHARED
@given(rows=ROWS)
def test_numbered_rows_come_under_rising_keys(
    database: Database, rows: list[dict[str, Any]]
) -> None:
    with database.writing() as connection:
        connection.execute(delete(NUMBERS))
        ids = bulk_of(connection).insert_numbered(connection, NUMBERS, rows)
        assert ids == sorted(set(ids))
        assert held(connection) == dict(zip(ids, rows, strict=True))


@SHARED
@given(before=CHANGES, after=CHANGES, names=st.sets(st.sampled_from([*VALUES]), min_size=1))
def test_an_upsert_is_that_of_a_dictionary(
    database: Database,
    before: dict[int, dict[str, Any]],
    after: dict[int, dict[str, Any]],
    names: set[str],
) -> None:
    filled: dict[str, Any] = {"whole": 0, "share": 0, "sure": False, "data": None, "words": None}
    expected = {key: dict(row) for key, row in before.items()}
    for key, row in after.items():
        expected[key] = expected.get(key, filled) | {name: row[name] for name in names}
    with database.writing() as connection:
        connection.execute(delete(NUMBERS))
        bulk_of(connection).insert(
            connection, NUMBERS, [{"id": key, **row} for key, row in before.items()]
        )
        values = {name: [row[name] for row in after.values()] for name in sorted(names)}
        TARGET.execute(connection, list(after), values)
        assert held(connection) == dict(sorted(expected.items()))


def test_columns_of_no_index_are_written(database: Database) -> None:
    with database.writing() as connection:
        for share in (0.25, 0.5):
            values = {"whole": [1, 2], "share": [share, share], "sure": [True, False]}
            TARGET.execute(connection, [7, 5], values, unindexed=["share"])
            rows = held(connection)
            assert {key: (row["whole"], row["share"]) for key, row in rows.items()} == {
                5: (2, share),
                7: (1, share),
            }


@SHARED
@given(rows=ROWS, size=st.sampled_from([1, 3, 100]))
def test_columns_are_those_of_the_rows(
    database: Database, rows: list[dict[str, Any]], size: int
) -> None:
    names = [*VALUES]
    query = select(*(NUMBERS.c[name] for name in names)).order_by(NUMBERS.c.id)
    with database.writing() as connection:
        connection.execute(delete(NUMBERS))
        bulk_of(connection).insert_numbered(connection, NUMBERS, rows)
        parts = list(bulk_of(connection).columns(connection, query, size=size))
    found = [row for part in parts for row in zip(*map(plain, part), strict=True)]
    assert found == [tuple(row[name] for name in names) for row in rows]


def plain(column: Any) -> list[Any]:
    """Return a column's values, whether it is an array or not."""
    if not isinstance(column, np.ndarray):
        return list(column)
    if column.ndim > 1:
        return [row.tobytes() for row in column]
    return [each.decode() if isinstance(each, bytes) else each for each in column.tolist()]


def test_columns_that_are_left_end_with_their_transaction(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(
            insert(NUMBERS),
            [{"id": key, "whole": key, "share": 0.5, "sure": True} for key in range(1, 11)],
        )
    for _ in range(3):
        with database.reading() as connection:
            columns = bulk_of(connection).columns(connection, select(NUMBERS.c.id), size=2)
            assert len(next(columns)[0]) == 2
            columns.close()
    with database.reading() as connection:
        assert len(connection.execute(select(NUMBERS.c.id)).all()) == 10


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_stream_gives_all_rows_some_at_a_time(database: Database, size: int) -> None:
    with database.writing() as connection:
        connection.execute(
            insert(NUMBERS),
            [{"id": key, "whole": -key, "share": 0.5, "sure": True} for key in range(1, 11)],
        )
    query = select(NUMBERS.c.id, NUMBERS.c.whole).where(NUMBERS.c.id > 2).order_by(NUMBERS.c.id)
    with database.reading() as connection:
        parts = list(bulk_of(connection).stream(connection, query, size=size))
        assert [tuple(row) for part in parts for row in part] == [(n, -n) for n in range(3, 11)]
        assert max(map(len, parts)) == min(size, 8)


def test_a_stream_that_is_left_can_be_followed_by_another(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(
            insert(NUMBERS),
            [{"id": key, "whole": key, "share": 0.5, "sure": True} for key in range(1, 11)],
        )
    with database.reading() as connection:
        for _ in range(3):
            stream = bulk_of(connection).stream(connection, select(NUMBERS.c.id), size=2)
            assert len(next(iter(stream))) == 2
            stream.close()  # type: ignore[attr-defined]
        assert connection.execute(select(NUMBERS.c.id)).scalars().all()


def test_what_fails_in_a_stream_is_an_error_of_the_catalog(database: Database) -> None:
    query = select(text("id")).select_from(text("no_such_table"))
    with pytest.raises(CatalogError), database.reading() as connection:
        list(bulk_of(connection).stream(connection, query))
    with suppress(DBAPIError), database.reading() as connection:
        assert connection.execute(select(NUMBERS.c.id)).scalars().all() == []
