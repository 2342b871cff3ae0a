"""Whenever it is killed, another goes on; what is of another history is filled in anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.errors import VectorStoreError
from index.sync import open_index
from index.vector_address import VectorAddress
from index.vectors.index import VectorIndex
from index.vectors.milvus.collection import Collection
from tests.support.indexes import open_at
from tests.support.milvus import followed, milvus_at, opened, settled

pytestmark = pytest.mark.slow

MakeBatch = Callable[..., Batch]
# Each is called by a filling, or a catching up, at least once.
STEPS = ["write_stamp", "upsert", "delete", "flush", "count"]


def answers(index: VectorIndex, images: int) -> list[list[int]]:
    """Return which images come in which order, for some queries."""
    drawn = np.random.default_rng(5).normal(size=(5, 8)).astype(np.float32)
    return index.search(drawn, images).ids.tolist()


def require_in_step(catalog: Catalog, folder: Path, address: VectorAddress) -> None:
    """Insist on the answers of an exact index, and on a stamp that says so."""
    index = opened(catalog, folder, address)
    assert index.state == catalog.state()
    exact = open_at(catalog, folder / "faiss").vectors
    count = catalog.image_count() + 1
    assert answers(index, count) == answers(exact, count)


@pytest.fixture
def filled(lite: VectorAddress, catalog: Catalog, make_batch: MakeBatch, tmp_path: Path) -> Catalog:
    """A catalog of 30 images, whose vectors are in Milvus; then it has changed."""
    ids = catalog.images.store(make_batch([f"/{number}" for number in range(30)]))
    followed(catalog, tmp_path, lite)
    catalog.images.hide(ids[:5])
    catalog.images.store(make_batch([f"/new/{number}" for number in range(300)], seed=2))
    catalog.images.store(make_batch(["/10"], ids=[ids[10]], seed=3))
    catalog.images.delete(ids[20:22])
    return catalog


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("calls", [0, 1])
def test_a_killed_catching_up_is_gone_on_with(
    filled: Catalog,
    lite: VectorAddress,
    tmp_path: Path,
    killed_at: Callable[[str, int], None],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    calls: int,
) -> None:
    killed_at(step, calls)
    try:
        followed(filled, tmp_path, lite)
    except KeyboardInterrupt:
        monkeypatch.undo()
        # Meanwhile a search sees each image in its last state.
        index = open_index(filled, milvus_at(filled, tmp_path, lite)).vectors
        exact = open_at(filled, tmp_path / "faiss").vectors
        assert answers(index, 400) == answers(exact, 400)
        followed(filled, tmp_path, lite)
    monkeypatch.undo()
    require_in_step(filled, tmp_path, lite)


@pytest.mark.parametrize("step", ["create", "write_stamp", "upsert", "flush"])
def test_a_killed_filling_is_begun_anew(
    filled: Catalog,
    lite: VectorAddress,
    tmp_path: Path,
    killed_at: Callable[[str, int], None],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    milvus_at(filled, tmp_path, lite).discard()
    killed_at(step, 0)
    with pytest.raises(KeyboardInterrupt):
        followed(filled, tmp_path, lite)
    monkeypatch.undo()
    assert not milvus_at(filled, tmp_path, lite).open()
    followed(filled, tmp_path, lite)
    require_in_step(filled, tmp_path, lite)


def test_nothing_is_written_where_nothing_has_changed(
    filled: Catalog,
    lite: VectorAddress,
    tmp_path: Path,
    killed_at: Callable[[str, int], None],
) -> None:
    followed(filled, tmp_path, lite)
    for step in ("write_stamp", "upsert", "delete", "flush"):
        killed_at(step, 0)
    followed(filled, tmp_path, lite)


def test_a_catalog_that_was_put_back_is_not_searched_by_what_came_after(
    lite: VectorAddress, filled: Catalog, make_batch: MakeBatch, tmp_path: Path
) -> None:
    path = tmp_path / "catalog.sqlite"
    filled.database.close()
    shutil.copy(path, tmp_path / "backup")
    filled.images.store(make_batch(["/x"], seed=7))
    followed(filled, tmp_path, lite)
    filled.database.close()
    for beside in tmp_path.glob("catalog.sqlite-*"):
        beside.unlink()
    shutil.copy(tmp_path / "backup", path)
    with Catalog.open(path) as restored:
        restored.images.store(make_batch(["/y"], seed=8))
        assert not open_state(restored, tmp_path, lite)
        followed(restored, tmp_path, lite)
        require_in_step(restored, tmp_path, lite)


def open_state(catalog: Catalog, folder: Path, address: VectorAddress) -> bool:
    """Say whether what is saved is a state of this catalog."""
    index = milvus_at(catalog, folder, address)
    index.open()
    return index.state is not None and catalog.visible_images.was_in(index.state)


def test_vectors_of_another_length_are_filled_in_anew(
    lite: VectorAddress, filled: Catalog, tmp_path: Path
) -> None:
    followed(filled, tmp_path, lite)
    index = milvus_at(filled, tmp_path, lite)
    other = Collection(index._connection, index._collection.name, 16, "float32")
    assert not other.is_ours()
    assert index._collection.is_ours()


def test_a_copy_that_writes_at_the_same_time_is_noticed(
    filled: Catalog, lite: VectorAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Collection.flush

    def meanwhile(self: Collection) -> None:
        plain(self)
        stamp = self.stamp()
        assert stamp is not None
        self.write_stamp(replace(stamp, nonce="another"))

    monkeypatch.setattr(Collection, "flush", meanwhile)
    with pytest.raises(VectorStoreError, match="it is a copy of this one"):
        followed(filled, tmp_path, lite)


def test_neighbours_are_found_once_and_kept_on_this_machine(
    filled: Catalog, lite: VectorAddress, tmp_path: Path
) -> None:
    settled(filled, tmp_path, lite)
    [graph] = tmp_path.glob("milvus/graph-*.bin")
    settled(filled, tmp_path, lite)
    assert list(tmp_path.glob("milvus/graph-*.bin")) == [graph]
    assert opened(filled, tmp_path, lite).graph is not None
    # Another machine has none, and ranks by cosine until it finds them itself.
    assert opened(filled, tmp_path / "elsewhere", lite).graph is None
    graph.write_bytes(b"")
    assert opened(filled, tmp_path, lite).graph is None
