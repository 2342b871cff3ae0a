"""Transactions, readers beside a writer, and one writer at a time, on either database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import event

from index.catalog.catalog import Catalog
from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.dialects.dialect import DatabaseLimits
from index.catalog.tables.settings import read_setting, write_setting
from index.errors import CatalogError, StoreLockedError
from tests.support import REPOSITORY

# What a person may write on a command line, and what SQL would take for the end of a comment.
ODD_ARGUMENTS = ("*/ SELECT", "/*", "100 %s", "M\N{LATIN SMALL LETTER O WITH DIAERESIS}bel")
HOLDER = """
import sys
from pathlib import Path
from index.catalog.sql.database import Database
url = sys.argv[1]
database = Database(url if "://" in url else Path(url))
with database.writer_lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def database(catalog: Catalog) -> Database:
    return catalog.database


@pytest.fixture
def catalog(url_catalog: Catalog) -> Catalog:
    """An empty catalog at `database_url`."""
    return url_catalog


@pytest.fixture
def second(catalog: Catalog, database_url: str | Path) -> Iterator[Database]:
    """Another connection to the same catalog, as another process would have it."""
    made = Database(database_url)
    yield made
    made.close()


def _setting(database: Database, key: str) -> str | None:
    with database.reading() as connection:
        return read_setting(connection, key)


def test_what_a_transaction_wrote_is_there_afterwards(database: Database, second: Database) -> None:
    with database.writing() as connection:
        write_setting(connection, "color", "green")
    assert _setting(second, "color") == "green"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_transaction_that_raises_leaves_nothing(
    database: Database, second: Database, error: type[BaseException]
) -> None:
    with pytest.raises(error), database.writing() as connection:
        write_setting(connection, "color", "green")
        raise error
    assert _setting(database, "color") is None
    assert _setting(second, "color") is None


def test_a_reader_sees_the_old_state_while_a_writer_is_in_the_middle(
    database: Database, second: Database
) -> None:
    with database.writing() as connection:
        write_setting(connection, "color", "green")
        assert _setting(second, "color") is None
    assert _setting(second, "color") == "green"


def test_a_reading_transaction_sees_one_state_to_its_end(
    database: Database, second: Database
) -> None:
    with second.reading() as reader:
        assert read_setting(reader, "color") is None
        with database.writing() as writer:
            write_setting(writer, "color", "green")
        assert read_setting(reader, "color") is None
    assert _setting(second, "color") == "green"


def test_any_number_may_read_at_a_time_and_most_find_a_connection_open(
    catalog: Catalog, database_url: str | Path
) -> None:
    database = Database(database_url, DatabaseLimits(connections=20))
    opened: list[object] = []
    event.listen(database._dialect.engine, "connect", lambda *each: opened.append(each))
    for _ in range(2):
        with ExitStack() as readers:
            for _ in range(24):
                reader = readers.enter_context(database.reading())
                assert read_setting(reader, "color") is None
    assert len(opened) == 24 + 4
    database.close()


def test_a_second_transaction_that_writes_is_told_to_try_later(
    catalog: Catalog, database_url: str | Path
) -> None:
    impatient = Database(database_url, DatabaseLimits(busy_seconds=0.001))
    with (
        catalog.database.writing(),
        pytest.raises(StoreLockedError, match="Try again"),
        impatient.writing(),
    ):
        pass
    impatient.close()


@pytest.fixture
def holder(catalog: Catalog, database_url: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the writer lock of `catalog`, until its stdin ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database_url), *ODD_ARGUMENTS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def _can_lock(database: Database) -> bool:
    try:
        with database.writer_lock():
            return True
    except StoreLockedError:
        return False


def test_the_lock_of_shared_vectors_is_another_than_the_writers(
    database: Database, database_url: str | Path, holder: subprocess.Popen[str]
) -> None:
    other = Database(database_url)
    with database.vectors_lock():
        assert not _can_lock(database)
        said = f"another (process|thread of this process) is writing \\(process {os.getpid()} on "
        with pytest.raises(StoreLockedError, match=said), other.vectors_lock():
            pass
    with other.vectors_lock():
        pass
    other.close()


def test_a_database_has_one_location_by_whatever_name(
    database: Database, database_url: str | Path
) -> None:
    other = Database(database_url)
    assert database.location() == other.location()
    other.close()


def test_the_writer_lock_of_a_quiet_catalog_is_free(database: Database) -> None:
    assert database.current_writer() is None
    assert _can_lock(database)
    assert _can_lock(database)


def test_a_second_writer_is_told_who_the_first_one_is(
    database: Database, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(StoreLockedError) as caught, database.writer_lock():
        pass
    assert f"process {holder.pid} on {os.uname().nodename}, since 20" in caught.value.reason
    assert " ".join(ODD_ARGUMENTS) in caught.value.reason
    assert caught.value.remedy == "Wait until it has ended"


def test_a_reader_is_told_who_is_writing(database: Database, holder: subprocess.Popen[str]) -> None:
    assert f"process {holder.pid} on " in str(database.current_writer())


def test_a_second_writer_in_the_same_process_is_refused_too(
    database: Database, second: Database
) -> None:
    with database.writer_lock():
        assert not _can_lock(second)
        assert not _can_lock(database)
        assert f"process {os.getpid()} " in str(second.current_writer())
    assert _can_lock(second)


def test_being_refused_does_not_take_the_writer_lock_from_its_holder(
    database: Database, holder: subprocess.Popen[str]
) -> None:
    assert not _can_lock(database)
    assert not _can_lock(database)
    assert f"process {holder.pid} " in str(database.current_writer())


def test_the_writer_lock_goes_with_a_process_that_is_killed(
    database: Database, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    # A server needs a moment to notice.
    with database.writer_lock(wait_seconds=10):
        pass
    assert database.current_writer() is None


def test_a_patient_writer_gets_the_lock_when_the_first_one_ends(
    database: Database, holder: subprocess.Popen[str]
) -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    with database.writer_lock(wait_seconds=10):
        assert f"process {os.getpid()} " in str(database.current_writer())


def test_the_writer_lock_is_free_when_its_block_raises(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writer_lock():
        raise ZeroDivisionError
    assert _can_lock(database)


def test_who_holds_the_writer_lock_writes(database: Database, second: Database) -> None:
    with database.writer_lock(), database.writing() as connection:
        write_setting(connection, "color", "green")
    assert _setting(second, "color") == "green"


def test_readers_need_no_writer_lock(catalog: Catalog, holder: subprocess.Popen[str]) -> None:
    assert catalog.counts().images == 0
    assert not _can_lock(catalog.database)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url", "URL"),
        ("mysql://host/name", "neither PostgreSQL nor a file of SQLite"),
        ("sqlite://", "neither PostgreSQL nor a file of SQLite"),
        ("sqlite:///:memory:", "neither PostgreSQL nor a file of SQLite"),
        ("postgresql+nothing://host/name", "nothing"),
    ],
)
def test_a_url_of_no_database_for_a_catalog_is_refused(url: str, words: str) -> None:
    with pytest.raises(CatalogError) as caught:
        Database(url)
    assert words in caught.value.reason
    assert "postgresql://user@host/name" in caught.value.remedy


def test_a_url_of_an_sqlite_file_is_that_file(file_catalog: Catalog, tmp_path: Path) -> None:
    by_url = Database(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    with file_catalog.database.writing() as connection:
        write_setting(connection, "color", "green")
    assert _setting(by_url, "color") == "green"
    with by_url.writer_lock():
        assert not _can_lock(file_catalog.database)
    by_url.close()


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (9, [3, 3, 3])]
)
def test_chunks_hold_every_value_once_and_in_order(count: int, sizes: list[int]) -> None:
    chunks = list(chunks_of(range(count), 3))
    assert [len(chunk) for chunk in chunks] == sizes
    assert [value for chunk in chunks for value in chunk] == list(range(count))
