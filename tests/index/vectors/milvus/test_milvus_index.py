"""Whatever happens in the catalog, Milvus answers as an exact index of FAISS does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.search.ranking import fused_ranking
from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.errors import IndexMovedError, StoreLockedError
from index.records import Floats, Ids
from index.sync import check_index, open_index
from index.vector_address import VectorAddress
from index.vectors.index import VectorIndex
from index.vectors.milvus.conditions import AskLimits
from tests.support.indexes import open_at, settle_at
from tests.support.milvus import followed, milvus_at, opened, settled

pytestmark = pytest.mark.slow

DIM = 8
SMALL = AskLimits(named=7, hits=12, picked=30, queries=3)
NewCatalog = Callable[..., AbstractContextManager[Catalog]]
MakeBatch = Callable[..., Batch]
Change = tuple[str, int]

changes = st.lists(
    st.tuples(
        st.sampled_from(["add", "replace", "hide", "reveal", "delete", "follow", "settle"]),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=6,
)


def queries(seed: int, count: int = 4) -> Floats:
    drawn = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    unit: Floats = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def made(
    catalog: Catalog,
    number: int,
    change: Change,
    make_batch: MakeBatch,
    sync: Callable[[str], None],
) -> None:
    """Make one change, of images that a number chooses."""
    kind, seed = change
    # Of vectors that are the same either may come first: no two are drawn alike.
    own = seed + 10**7 * (number + 1)
    rng = np.random.default_rng(seed)
    known = sorted(catalog.embeddings.all(gone_too=True)[0].tolist())
    some = rng.choice(known, min(len(known), 1 + seed % 5), replace=False).tolist() if known else []
    if kind == "add":
        paths = [f"/{number}/{image}" for image in range(1 + seed % 30)]
        catalog.images.store(make_batch(paths, seed=own))
    elif kind == "replace" and some:
        rows = catalog.images.rows(some)
        paths = [rows[image_id].path for image_id in some]
        catalog.images.store(make_batch(paths, ids=some, seed=own))
    elif kind in ("hide", "reveal", "delete") and some:
        getattr(catalog.images, kind)(some)
    elif kind in ("follow", "settle"):
        sync(kind)


def require_same(
    ours: VectorIndex, exact: VectorIndex, k: int, mask: Ids | None, seed: int
) -> None:
    """Insist on the same images in the same order with the same scores."""
    asked = queries(seed)
    found, expected = ours.search(asked, k, mask), exact.search(asked, k, mask)
    assert found.ids.tolist() == expected.ids.tolist()
    there = expected.ids >= 0
    assert np.allclose(found.scores[there], expected.scores[there], atol=1e-5)


def require_same_ranking(
    ours: VectorIndex, exact: VectorIndex, k: int, mask: Ids | None, seed: int
) -> None:
    """Insist on the same fused order."""
    [asked] = queries(seed, 1)
    found, expected = (fused_ranking(index, asked, k, mask) for index in (ours, exact))
    assert found.ids.tolist() == expected.ids.tolist()
    assert np.allclose(found.rank_scores, expected.rank_scores, atol=1e-5)


@settings(max_examples=25)
@given(changes=changes, dtype=st.sampled_from(["float16", "float32"]), seed=st.integers(0, 999))
def test_after_any_changes_answers_are_those_of_an_exact_index(
    lite: VectorAddress,
    new_catalog: NewCatalog,
    make_batch: MakeBatch,
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[Change],
    dtype: str,
    seed: int,
) -> None:
    folder, beside = tmp_path_factory.mktemp("index"), tmp_path_factory.mktemp("faiss")

    def sync(kind: str) -> None:
        {"follow": followed, "settle": settled}[kind](catalog, folder, lite)
        if kind == "settle":
            settle_at(catalog, beside)

    with new_catalog(dim=DIM, dtype=dtype) as catalog:
        catalog.images.store(make_batch([f"/{number}" for number in range(40)], seed=1))
        sync("settle")
        for number, change in enumerate(changes):
            made(catalog, number, change, make_batch, sync)
        exact = open_at(catalog, beside).vectors
        # At first some of it lies over the collection, then all is in it.
        for step in range(2):
            ours = opened(catalog, folder, lite, SMALL if seed % 2 else None)
            visible = catalog.visible_images.ids()
            assert len(ours) == len(exact) == len(visible)
            assert sorted(ours.ids) == sorted(exact.ids)
            masks = [None, visible[::2], visible[:3], visible[1:], np.append(visible[:20], 10**9)]
            for k in (1, 5, 20, len(visible) + 3):
                for mask in masks:
                    require_same(ours, exact, k, mask, seed)
            if (ours.graph is None) == (exact.graph is None):
                for mask in masks:
                    require_same_ranking(ours, exact, 5, mask, seed)
            ours.close()
            if step == 0:
                followed(catalog, folder, lite)


def test_an_answer_is_of_no_use_when_the_vectors_have_moved_on(
    lite: VectorAddress, catalog: Catalog, make_batch: MakeBatch, tmp_path: Path
) -> None:
    catalog.images.store(make_batch(["/a", "/b"]))
    followed(catalog, tmp_path, lite)
    index = opened(catalog, tmp_path, lite)
    assert not index.moved()
    catalog.images.store(make_batch(["/c"], seed=2))
    followed(catalog, tmp_path, lite)
    assert index.moved()


def test_vectors_that_are_removed_while_they_are_asked_say_so(
    lite: VectorAddress, catalog: Catalog, make_batch: MakeBatch, tmp_path: Path
) -> None:
    catalog.images.store(make_batch(["/a", "/b"]))
    followed(catalog, tmp_path, lite)
    index = opened(catalog, tmp_path, lite)
    milvus_at(catalog, tmp_path, lite).discard()
    with pytest.raises(IndexMovedError, match="removed, or are being filled"):
        index.search(queries(0), 1)
    assert index.moved()


def test_nobody_fills_a_collection_without_the_lock(
    lite: VectorAddress, catalog: Catalog, make_batch: MakeBatch, tmp_path: Path
) -> None:
    catalog.images.store(make_batch(["/a", "/b"]))
    with pytest.raises(StoreLockedError, match="do not show this catalog yet"):
        open_index(catalog, milvus_at(catalog, tmp_path, lite))


def test_status_says_what_is_kept_where(
    lite: VectorAddress, catalog: Catalog, make_batch: MakeBatch, tmp_path: Path
) -> None:
    catalog.images.store(make_batch(["/a", "/b"]))

    def told() -> tuple[str, str, list[str]]:
        checked = check_index(catalog, milvus_at(catalog, tmp_path, lite))
        return checked.state, checked.saved.kind, checked.problems

    assert told() == ("missing (will be rebuilt)", "", [])
    followed(catalog, tmp_path, lite)
    assert told() == ("current", "Milvus Lite FLAT float32", [])
    catalog.images.store(make_batch(["/c"], seed=2))
    assert told()[0] == "stale (will catch up)"


def test_a_row_that_somebody_removed_is_noticed(
    lite: VectorAddress, catalog: Catalog, make_batch: MakeBatch, tmp_path: Path
) -> None:
    [first, _] = catalog.images.store(make_batch(["/a", "/b"]))
    followed(catalog, tmp_path, lite)
    index = opened(catalog, tmp_path, lite)
    index._collection.delete(np.array([first]))
    assert not milvus_at(catalog, tmp_path, lite).open()
    assert check_index(catalog, milvus_at(catalog, tmp_path, lite)).state.startswith("damaged")


def test_two_stores_at_one_address_do_not_meet(
    lite: VectorAddress, new_catalog: NewCatalog, make_batch: MakeBatch, tmp_path: Path
) -> None:
    with new_catalog() as one, new_catalog() as other:
        one.images.store(make_batch(["/a", "/b"]))
        other.images.store(make_batch(["/c"], seed=2))
        for catalog in (one, other):
            followed(catalog, tmp_path, lite)
        assert [len(opened(catalog, tmp_path, lite)) for catalog in (one, other)] == [2, 1]
