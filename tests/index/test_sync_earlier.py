"""Stores whose index the release before wrote: taken over from the catalog, without a word lost.

Their files do not say from which history they are, so nothing is read from them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.sync import OpenedIndex, open_index, save_index, vectors_of
from tests.old_store.stores import DATA
from tests.support.indexes import (
    checked_at,
    faiss_of,
    files_in,
    open_at,
    save_at,
    settle_at,
)

FOUND = ("made by an earlier release (will be rebuilt)", [])
# What the release before wrote, and what a killed process of it left.
EARLIER = ["index.faiss", "index.main.faiss", "index.faiss.4711.tmp"]

pytestmark = pytest.mark.slow


@pytest.fixture(params=["exact", "compressed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store as the release before left it."""
    folder = tmp_path / "store"
    shutil.unpack_archive(DATA / f"{request.param}.zip", folder)
    (folder / "index.faiss.4711.tmp").write_bytes(b"half an index")
    return folder


@pytest.fixture
def catalog(store: Path) -> Iterator[Catalog]:
    """Its catalog."""
    with Catalog.open(store / "catalog.sqlite") as opened:
        yield opened


def _earlier(store: Path) -> set[str]:
    return {path.name for path in store.iterdir()} & set(EARLIER)


def _check(catalog: Catalog, opened: OpenedIndex) -> None:
    """Hold an index against its catalog: every image is found, by its own vector."""
    ids, vectors = catalog.embeddings.all()
    assert len(ids) > 30
    assert sorted(opened.vectors.ids.tolist()) == ids.tolist()
    hits = opened.vectors.search(vectors.unit, len(ids))
    assert np.sort(hits.ids).tolist() == [ids.tolist()] * len(ids)
    own = hits.scores[hits.ids == ids[:, None]]
    assert own == pytest.approx(1, abs=0.02)


def test_what_is_there_is_called_by_its_name(catalog: Catalog, store: Path) -> None:
    before = _earlier(store)
    assert "index.faiss" in before
    assert checked_at(catalog, store / "index") == FOUND
    assert _earlier(store) == before


@pytest.mark.parametrize("save", [save_at, settle_at])
def test_an_index_is_made_from_the_catalog_and_old_files_go(
    catalog: Catalog, store: Path, save: Callable[..., OpenedIndex | None]
) -> None:
    opened = open_at(catalog, store / "index")
    assert opened.origin == "rebuilt"
    _check(catalog, opened)
    assert _earlier(store), "they go when the new manifest is there"
    save(catalog, store / "index")
    assert not _earlier(store)
    again = open_at(catalog, store / "index")
    assert again.origin == "current"
    _check(catalog, again)
    assert checked_at(catalog, store / "index") == ("current", [])
    assert faiss_of(again).kind == faiss_of(opened).kind


def test_where_nothing_can_be_saved_the_old_files_stay(catalog: Catalog, store: Path) -> None:
    (store / "index").write_bytes(b"no folder")
    opened = open_at(catalog, store / "index")
    assert not save_index(opened, catalog)
    assert {"index.faiss", "index.faiss.4711.tmp"} <= _earlier(store)


@pytest.mark.parametrize("kind", ["exact", "compressed"])
@pytest.mark.parametrize("beside", [False, True])
def test_on_a_read_only_disk_it_is_searched_all_the_same(
    open_folder: Path,
    read_only: Callable[[], AbstractContextManager[None]],
    kind: str,
    beside: bool,
) -> None:
    shutil.unpack_archive(DATA / f"{kind}.zip", open_folder)
    (open_folder / "index").mkdir()
    if beside:
        # Files of this release, of a catalog that was put back to one of the release before.
        shutil.copy(open_folder / "catalog.sqlite", open_folder / "backup")
        with Catalog.open(open_folder / "catalog.sqlite") as catalog:
            save_at(catalog, open_folder / "index")
        shutil.move(open_folder / "backup", open_folder / "catalog.sqlite")
    for path in open_folder.rglob("*"):
        path.chmod(0o555)
    before = files_in(open_folder / "index")
    with read_only(), Catalog.open(open_folder / "catalog.sqlite") as catalog:
        vectors = vectors_of(catalog, open_folder / "index")
        opened = open_index(catalog, vectors)
        assert opened.origin == "rebuilt"
        _check(catalog, opened)
        assert not save_index(opened, catalog)
        assert checked_at(catalog, open_folder / "index")[0] != "current"
    assert files_in(open_folder / "index") == before
