"""A store whose catalog is on a PostgreSQL server, and what the server's errors mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from engine import Config, Engine
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.sql.database import Database
from index.catalog.tables.images import Batch
from index.errors import (
    CatalogDamagedError,
    CatalogError,
    DiskFullError,
    StoreError,
    StoreLockedError,
)
from index.records import CatalogIdentity

pytestmark = pytest.mark.slow


@pytest.fixture
def url(new_schema: Callable[[], str]) -> str:
    """A place for a catalog on the server."""
    return new_schema()


@pytest.fixture
def open_engine(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Engine]]:
    """Open an engine with the fake backbone on a store whose catalog is at `url`."""
    monkeypatch.setenv("ENGINE_CATALOG_URL", url)
    opened: list[Engine] = []

    def make(store: str) -> Engine:
        config = Config.at(tmp_path / store)
        opened.append(Engine(config, embedder=FakeEmbedder(config)))
        return opened[-1]

    yield make
    for engine in opened:
        engine.close()


@pytest.fixture
def postgres_engine(open_engine: Callable[[str], Engine]) -> Engine:
    """An engine with the fake backbone whose catalog is an empty schema on the server."""
    return open_engine("store")


def test_images_are_indexed_searched_and_removed(postgres_engine: Engine, images: Path) -> None:
    report = postgres_engine.index([images], label="parent")
    again = postgres_engine.index([images], label="parent")
    query = min((images / "bed").iterdir())
    hit = postgres_engine.search(query, k=1, where=["label=bed"])[0]
    removed = postgres_engine.remove([images / "bed"])
    assert (report.added, again.unchanged, hit.path, removed.images) == (12, 12, str(query), 8)
    assert postgres_engine.status().consistent


def test_a_name_of_any_bytes_comes_back_as_it_was(postgres_engine: Engine, images: Path) -> None:
    odd = os.fsencode(images) + b"/\xff\n.jpg"
    os.rename(min((images / "bed").iterdir()), odd)
    postgres_engine.index([images])
    assert os.fsencode(postgres_engine.search(os.fsdecode(odd), k=1)[0].path) == odd


def test_a_head_and_the_predictions_change_together(postgres_engine: Engine, images: Path) -> None:
    postgres_engine.index([images], label="parent")
    postgres_engine.train(head="mine", from_labels=True)
    assert set(postgres_engine.status().categories) & {"bed", "chair", "lamp"}
    postgres_engine.heads.delete("mine")
    assert not set(postgres_engine.status().categories) & {"bed", "chair", "lamp"}


def test_another_store_of_the_same_catalog_cannot_write_at_the_same_time(
    open_engine: Callable[[str], Engine], url: str, images: Path
) -> None:
    here, elsewhere = open_engine("here"), open_engine("elsewhere")
    here.index([images])
    writer = Database(url)
    with writer.writer_lock():
        with pytest.raises(StoreLockedError, match=f"process {os.getpid()} on "):
            elsewhere.remove([images])
        assert f"process {os.getpid()} " in str(elsewhere.status().writer)
        assert len(elsewhere.search(min((images / "bed").iterdir()), k=12)) == 12
    writer.close()
    assert elsewhere.status().writer is None
    assert elsewhere.remove([images]).removed == 12


def test_two_catalogs_of_one_server_have_a_writer_each(new_schema: Callable[[], str]) -> None:
    one, other = Database(new_schema()), Database(new_schema())
    with one.writer_lock(), other.writer_lock(), one.writing(), other.writing():
        pass
    one.close()
    other.close()


def test_the_writer_lock_leaves_no_connection_behind(url: str) -> None:
    database = Database(url)
    sessions = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%advisory_lock%'")
    with database.writer_lock():
        pass
    with database.reading() as connection:
        # This one's own query is among them.
        assert connection.execute(sessions).scalar_one() == 1
    database.close()


def test_the_writer_lock_of_a_connection_that_broke_is_free_and_no_error(url: str) -> None:
    one, other = Database(url), Database(url)
    with one.writer_lock():
        with other.reading() as connection:
            ended = connection.execute(
                text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE query LIKE '/*%advisory_lock%' AND pid <> pg_backend_pid()"
                )
            )
            assert ended.scalar_one() == 1
        with other.writer_lock(wait_seconds=10):
            pass
    assert one.current_writer() is None
    one.close()
    other.close()


def test_a_value_that_the_server_cannot_hold_is_no_lost_server(
    url: str, make_identity: Callable[..., CatalogIdentity], make_batch: Callable[..., Batch]
) -> None:
    with (
        Catalog.create(url, make_identity()) as catalog,
        pytest.raises(CatalogError, match=r"the database answered.*0x00"),
    ):
        catalog.images.store(make_batch(["/a.jpg"], labels=["nothing\0"]))


def _raise(database: Database, state: str) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(
            f"DO $$ BEGIN RAISE EXCEPTION 'the server says' USING ERRCODE = '{state}'; END $$"
        )


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("53100", DiskFullError),
        ("XX001", CatalogDamagedError),
        ("42P01", CatalogDamagedError),
        ("55P03", StoreLockedError),
        ("40P01", StoreLockedError),
        ("42501", CatalogError),
        ("57P01", CatalogError),
        ("22012", CatalogError),
    ],
)
def test_an_error_of_the_server_is_explained(url: str, state: str, error: type[StoreError]) -> None:
    database = Database(url)
    with pytest.raises(error) as caught:
        _raise(database, state)
    assert type(caught.value) is error
    assert caught.value.thing == database.name
    assert error is StoreLockedError or "the server says" in caught.value.reason
    assert "\n" not in caught.value.reason
    database.close()


def test_a_catalog_that_may_not_be_written_can_be_read(
    url: str, make_identity: Callable[..., CatalogIdentity]
) -> None:
    Catalog.create(url, make_identity()).close()
    options = f"{make_url(url).query['options']} -c default_transaction_read_only=on"
    read_only = make_url(url).update_query_dict({"options": options})
    with Catalog.open(read_only.render_as_string(hide_password=False)) as catalog:
        assert catalog.counts().images == 0
        with pytest.raises(CatalogError, match=r"cannot be .*written.*what its user may do"):
            catalog.images.hide([1])


def test_a_server_that_is_not_there_is_said_to_be_out_of_reach(
    postgres_server: str, tmp_path: Path
) -> None:
    nobody = f"postgresql+psycopg://anna:secret@/name?host={tmp_path}"
    with pytest.raises(CatalogError, match=r"cannot be reached.*Check that the server runs") as e:
        Catalog.open(nobody)
    assert "secret" not in str(e.value)


def test_a_server_that_does_not_know_every_statement_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", property(lambda self: 140_012))
    with pytest.raises(CatalogError, match=r"PostgreSQL 14, which is too old.*15 or later"):
        Catalog.open(url)


def test_a_database_that_is_not_there_is_said_to_be_out_of_reach(postgres_server: str) -> None:
    other = make_url(postgres_server).set(database="no_such_database")
    with pytest.raises(CatalogError, match=r"cannot be reached.*no_such_database"):
        Catalog.open(other.render_as_string(hide_password=False))
