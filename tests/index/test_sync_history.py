"""Only files of a state that this very catalog has been in are taken for its own.

A copy of a catalog that is put back counts the same generations again, with other images in them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.sql.database import Database
from index.catalog.tables.images import Batch
from index.catalog.tables.settings import next_generation, read_state, was_in
from index.records import CatalogIdentity, Floats
from index.sync import OpenedIndex, save_index
from index.vectors.manifest import read_manifest
from tests.support.indexes import checked_at, files_in, open_at, save_at, settle_at

MakeBatch = Callable[..., Batch]
Add = Callable[..., None]
Check = Callable[[Catalog, OpenedIndex], None]
KINDS = ["exact", "compressed"]
FOREIGN = (
    "of another history (will be rebuilt)",
    ["the index shows images of another state of this catalog; the next search builds it anew"],
)


class Shelf:
    """A catalog file of which copies are made and put back while nobody has it open."""

    def __init__(self, folder: Path, identity: CatalogIdentity, batch: Batch) -> None:
        self.path = folder / "catalog.sqlite"
        self.index = folder / "index"
        with Catalog.create(self.path, identity) as catalog:
            catalog.images.store(batch)

    def open(self) -> Catalog:
        return Catalog.open(self.path)

    def back_up(self, name: str) -> None:
        shutil.copy(self.path, self.path.with_name(name))

    def restore(self, name: str) -> None:
        assert not self.path.with_name("catalog.sqlite-wal").exists()
        shutil.copy(self.path.with_name(name), self.path)


@pytest.fixture(params=KINDS)
def shelf(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    make_identity: Callable[..., CatalogIdentity],
    make_batch: MakeBatch,
    likenesses: Callable[..., Floats],
) -> Shelf:
    """A catalog of 120 images, whose index is to be exact or to have a segment."""
    identity, drawn = make_identity(dim=16, dtype="float16"), likenesses(120, 16)
    batch = make_batch([f"/{number}" for number in range(120)], embeddings=drawn)
    made = Shelf(tmp_path, identity, batch)
    with made.open() as catalog:
        catalog.prefer(request.param, None)
    return made


def test_a_restored_catalog_is_not_searched_through_a_stale_index(
    shelf: Shelf, add: Add, likenesses: Callable[..., Floats], check_large: Check
) -> None:
    with shelf.open() as catalog:
        save_at(catalog, shelf.index)
    shelf.back_up("backup")
    with shelf.open() as catalog:
        add(catalog, 1, seed=1)
        save_at(catalog, shelf.index)
        shown = catalog.state()
    shelf.restore("backup")
    with shelf.open() as catalog:
        add(catalog, 1, seed=2)
        assert catalog.state().generation == shown.generation
        assert catalog.counts().images == 121, "as many images, in as many commits"
        assert checked_at(catalog, shelf.index) == FOREIGN
        opened = open_at(catalog, shelf.index)
        assert opened.origin == "rebuilt"
        check_large(catalog, opened)
        hits = opened.vectors.search(likenesses(1, 16, seed=1), 1)
        assert hits.scores[0, 0] < 0.99, "what was never in this catalog is found in it"


@pytest.mark.parametrize("settle", [True, False])
def test_stale_files_of_a_restored_catalog_are_replaced(
    shelf: Shelf, add: Add, check_large: Check, settle: bool
) -> None:
    shelf.back_up("backup")
    with shelf.open() as catalog:
        add(catalog, 2, seed=1)
        save_at(catalog, shelf.index)
        before = files_in(shelf.index)
    shelf.restore("backup")
    with shelf.open() as catalog:
        add(catalog, 2, seed=2)
        (settle_at if settle else save_at)(catalog, shelf.index)
        assert checked_at(catalog, shelf.index) == ("current", [])
        check_large(catalog, open_at(catalog, shelf.index))
    assert set(files_in(shelf.index)) & set(before) == {"manifest.json"}


def test_a_restored_catalog_is_told_from_what_came_later(
    shelf: Shelf, add: Add, check_large: Check
) -> None:
    shelf.back_up("backup")
    with shelf.open() as catalog:
        add(catalog, 2, seed=1)
        save_at(catalog, shelf.index)
    shelf.restore("backup")
    with shelf.open() as catalog:
        assert checked_at(catalog, shelf.index) == FOREIGN
        check_large(catalog, open_at(catalog, shelf.index))


def test_files_of_the_common_past_catch_up(shelf: Shelf, add: Add, check_large: Check) -> None:
    with shelf.open() as catalog:
        save_at(catalog, shelf.index)
    shelf.back_up("backup")
    with shelf.open() as catalog:
        add(catalog, 2, seed=1)
    shelf.restore("backup")
    with shelf.open() as catalog:
        add(catalog, 2, seed=2)
        assert checked_at(catalog, shelf.index) == ("stale (will catch up)", [])
        opened = open_at(catalog, shelf.index)
        assert opened.origin == "caught up"
        check_large(catalog, opened)


@pytest.mark.slow
def test_files_are_current_again_when_their_own_catalog_is_put_back(
    shelf: Shelf, add: Add, check_large: Check
) -> None:
    shelf.back_up("backup")
    with shelf.open() as catalog:
        add(catalog, 2, seed=1)
        save_at(catalog, shelf.index)
    shelf.back_up("latest")
    shelf.restore("backup")
    with shelf.open() as catalog:
        assert open_at(catalog, shelf.index).origin == "rebuilt"
    shelf.restore("latest")
    with shelf.open() as catalog:
        opened = open_at(catalog, shelf.index)
        assert opened.origin == "current"
        check_large(catalog, opened)


@pytest.mark.slow
def test_an_index_that_was_opened_before_a_restore_is_not_saved_after_it(
    shelf: Shelf, add: Add, check_large: Check
) -> None:
    shelf.back_up("backup")
    with shelf.open() as catalog:
        add(catalog, 2, seed=1)
        opened = open_at(catalog, shelf.index)
    shelf.restore("backup")
    with shelf.open() as catalog:
        assert not save_index(opened, catalog), "the catalog has left that state"
        assert read_manifest(shelf.index) is None
        check_large(catalog, save_at(catalog, shelf.index))


def test_two_copies_that_go_separate_ways_are_told_apart(
    shelf: Shelf, add: Add, tmp_path: Path, check_large: Check
) -> None:
    with shelf.open() as catalog:
        save_at(catalog, shelf.index)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(shelf.path, other / "catalog.sqlite")
    shutil.copytree(shelf.index, other / "index")
    with Catalog.open(other / "catalog.sqlite") as copy:
        opened = open_at(copy, other / "index")
        assert opened.origin == "current", "until then they are the same"
        add(copy, 3, seed=1)
        save_at(copy, other / "index")
    with shelf.open() as catalog:
        add(catalog, 3, seed=2)
        shutil.rmtree(shelf.index)
        shutil.copytree(other / "index", shelf.index)
        assert checked_at(catalog, shelf.index) == FOREIGN
        check_large(catalog, open_at(catalog, shelf.index))


def test_every_generation_draws_another_token(catalog: Catalog, make_batch: MakeBatch) -> None:
    states = [catalog.state()]
    for seed in range(3):
        [key] = catalog.images.store(make_batch([f"/{seed}"], seed=seed))
        states.append(catalog.state())
        catalog.images.hide([key])
        states.append(catalog.state())
    assert [state.generation for state in states] == list(range(7))
    assert len({state.token for state in states}) == 7
    assert all(len(bytes.fromhex(state.token)) == 16 for state in states)
    with catalog.database.reading() as connection:
        assert all(was_in(connection, state) for state in states)


def test_a_token_goes_with_the_transaction_that_drew_it(catalog: Catalog) -> None:
    before = catalog.state()
    with pytest.raises(ZeroDivisionError), catalog.database.writing() as connection:
        next_generation(connection)
        lost = read_state(connection)
        raise ZeroDivisionError
    assert catalog.state() == before
    with catalog.database.reading() as connection:
        assert not was_in(connection, lost)


def test_the_history_is_as_long_as_it_is_asked_to_be(catalog: Catalog) -> None:
    states = []
    for _ in range(5):
        with catalog.database.writing() as connection:
            next_generation(connection, history=3)
            states.append(read_state(connection))
    with catalog.database.reading() as connection:
        known = [was_in(connection, state) for state in states]
        rows = connection.exec_driver_sql("SELECT count(*) FROM generations").scalar_one()
    assert known == [False, False, True, True, True]
    assert rows == 3


def test_an_index_older_than_the_history_is_built_anew(
    catalog: Catalog, saved: object, folder: Path, make_batch: MakeBatch
) -> None:
    catalog.images.store(make_batch(["/new"], seed=1))
    with catalog.database.writing() as connection:
        next_generation(connection, history=1)
    opened = open_at(catalog, folder)
    assert opened.origin == "rebuilt"
    assert np.sort(opened.vectors.ids).tolist() == [1, 2, 3, 4, 5, 6]


@pytest.fixture
def older(tmp_path: Path, catalog: Catalog, five: list[int]) -> Path:
    """A catalog as the release before tokens left it."""
    with catalog.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE generations")
        for column in ("inode", "ctime_ns", "embedding_crc32"):
            connection.exec_driver_sql(f"ALTER TABLE images DROP COLUMN {column}")
        connection.exec_driver_sql("ALTER TABLE views DROP COLUMN crc32")
        connection.exec_driver_sql("DROP TABLE judgements")
        connection.exec_driver_sql("DROP TABLE distinct_pairs")
        connection.exec_driver_sql("DROP TABLE shards")
        connection.exec_driver_sql("DELETE FROM settings WHERE key = 'generation_token'")
        connection.exec_driver_sql("UPDATE settings SET value = '4' WHERE key = 'schema'")
    catalog.close()
    return tmp_path / "catalog.sqlite"


def test_a_catalog_of_an_older_release_draws_a_token_for_what_it_is_now(older: Path) -> None:
    with Catalog.open(older) as catalog:
        state = catalog.state()
        assert (state.generation, len(state.token)) == (1, 32)
        with catalog.database.reading() as connection:
            assert was_in(connection, state)
    with Catalog.open(older) as catalog:
        assert catalog.state() == state, "once"


def test_each_copy_of_an_older_catalog_draws_its_own_token(older: Path) -> None:
    copy = Path(shutil.copy(older, older.with_name("copy.sqlite")))
    with Catalog.open(older) as one, Catalog.open(copy) as other:
        assert one.state().catalog == other.state().catalog
        assert one.state().token != other.state().token


def test_an_empty_database_has_a_state_too(tmp_path: Path) -> None:
    database = Database(tmp_path / "empty.sqlite")
    database.migrate()
    with database.reading() as connection:
        state = read_state(connection)
        assert (state.generation, len(state.token)) == (0, 32)
    database.close()
