"""A large catalog's index is reorganised when that is due, and only for one who will save it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import Floats
from index.sync import OpenedIndex, compact_index, save_index
from index.vectors.choose import FaissLimits
from tests.support.indexes import (
    checked_at,
    delta_in,
    faiss_at,
    faiss_of,
    files_in,
    manifest_in,
    open_at,
    save_at,
    segment_in,
    segment_of,
)

Check = Callable[[Catalog, OpenedIndex], None]
NewCatalog = Callable[..., AbstractContextManager[Catalog]]
MakeBatch = Callable[..., Batch]
Likenesses = Callable[..., Floats]
# Merge a delta of more than five.
SMALL = FaissLimits(delta=5)


def _settled(catalog: Catalog, folder: Path, limits: FaissLimits | None = None) -> OpenedIndex:
    """Return the index as `engine index` leaves it."""
    opened = open_at(catalog, folder, limits, settle=True)
    if opened.origin != "current":
        assert save_index(opened, catalog)
    return opened


def _delta(opened: OpenedIndex) -> int:
    return len(faiss_of(opened).delta)


def test_a_build_tells_how_far_it_has_come(large: Catalog, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    assert open_at(large, tmp_path / "none", progress=progress).origin == "rebuilt"
    assert (told[0], told[-1]) == ((0, 120), (120, 120))


def test_fewer_images_than_lists_make_no_segment(
    catalog: Catalog, five: list[int], folder: Path
) -> None:
    catalog.prefer("compressed", None)
    assert faiss_of(_settled(catalog, folder)).segment is None
    assert open_at(catalog, folder).origin == "current"
    assert _settled(catalog, folder).origin == "current"


def test_a_large_delta_is_merged_into_the_segment_by_who_settles(
    large: Catalog, folder: Path, check_large: Check, add: Callable[..., None]
) -> None:
    before = segment_in(folder)
    add(large, 5)
    opened = _settled(large, folder, SMALL)
    assert (_delta(opened), segment_in(folder)) == (5, before), "five are not yet much"
    add(large, 2, ids=[7, 121], seed=8)
    large.images.hide([1])
    large.images.delete([2])
    assert _delta(open_at(large, folder, SMALL)) == 6, "only for one who will save it"
    opened = _settled(large, folder, SMALL)
    assert (opened.origin, _delta(opened)) == ("settled", 0)
    assert segment_in(folder).name == f"segment-{segment_of(opened).key}.faiss" != before.name
    assert not before.exists()
    assert (segment_of(opened).total, segment_of(opened).trained_on) == (126, 120)
    check_large(large, opened)
    again = open_at(large, folder)
    assert again.origin == "current"
    check_large(large, again)
    large.images.hide([121])
    check_large(large, open_at(large, folder))


def test_what_a_search_has_caught_up_is_merged_the_next_time(
    large: Catalog, folder: Path, check_large: Check, add: Callable[..., None]
) -> None:
    add(large, 6)
    save_at(large, folder, SMALL)
    opened = _settled(large, folder, SMALL)
    assert (opened.origin, _delta(opened)) == ("settled", 0)
    check_large(large, open_at(large, folder))


def test_a_share_of_the_segment_may_lie_in_the_delta(
    large: Catalog, folder: Path, add: Callable[..., None]
) -> None:
    limits = FaissLimits(delta=0, delta_share=0.1)
    add(large, 12)
    assert _delta(_settled(large, folder, limits)) == 12
    add(large, 1, seed=8)
    assert _delta(_settled(large, folder, limits)) == 0


@pytest.mark.slow
def test_an_index_that_has_grown_a_lot_is_built_anew_by_who_settles(
    large: Catalog, folder: Path, check_large: Check, add: Callable[..., None]
) -> None:
    limits = FaissLimits(growth=1.1)
    before = segment_in(folder)
    add(large, 12)
    _settled(large, folder, limits)
    assert segment_in(folder) == before
    add(large, 1, seed=8)
    assert segment_of(open_at(large, folder, limits)).trained_on == 120, "nobody will save it"
    opened = _settled(large, folder, limits)
    assert (opened.origin, _delta(opened)) == ("settled", 0)
    assert segment_of(opened).trained_on == 133
    check_large(large, open_at(large, folder))


def test_an_index_much_of_which_is_hidden_is_built_anew_by_who_settles(
    large: Catalog, folder: Path, check_large: Check
) -> None:
    limits = FaissLimits(hidden_share=0.1)
    before = segment_in(folder)
    large.images.hide(list(range(1, 13)))
    _settled(large, folder, limits)
    assert segment_in(folder) == before, "a tenth is not yet much"
    large.images.delete([13])
    opened = _settled(large, folder, limits)
    assert opened.origin == "settled"
    assert segment_of(opened).total == 107
    check_large(large, open_at(large, folder))


def test_whoever_asks_for_exact_search_gets_it_and_can_go_back(
    large: Catalog, folder: Path, check_large: Check
) -> None:
    large.prefer("exact", None)
    assert open_at(large, folder).origin == "current", "only for one who will save it"
    opened = _settled(large, folder)
    assert (opened.origin, faiss_of(opened).kind) == ("settled", "exact float16")
    assert not list(folder.glob("segment-*"))
    assert faiss_of(open_at(large, folder)).segment is None
    check_large(large, open_at(large, folder))
    large.prefer("compressed", None)
    opened = _settled(large, folder)
    assert opened.origin == "settled"
    assert segment_in(folder).name == f"segment-{segment_of(opened).key}.faiss"
    check_large(large, open_at(large, folder))


@pytest.mark.slow
def test_whoever_grants_less_memory_gets_coarser_codes(large: Catalog, folder: Path) -> None:
    large.prefer(None, 1)
    opened = _settled(large, folder)
    assert (opened.origin, faiss_of(opened).kind) == ("settled", "IVF16, PQ8x4fs, SQ4")
    assert _settled(large, folder).origin == "current"
    assert set(open_at(large, folder).vectors.ids.tolist()) == set(range(1, 121))


@pytest.mark.slow
def test_whoever_grants_least_has_some_directions_of_each_vector(
    new_catalog: NewCatalog, make_batch: MakeBatch, likenesses: Likenesses, folder: Path
) -> None:
    with new_catalog(dim=640, dtype="float16") as catalog:
        paths = [f"/{number}" for number in range(400)]
        catalog.images.store(make_batch(paths, embeddings=likenesses(400, 640)))
        catalog.prefer("compressed", None)
        whole = _settled(catalog, folder)
        assert faiss_of(whole).kind == "IVF32, PQ256x4fs, SQ8"
        catalog.prefer(None, 1)
        opened = _settled(catalog, folder)
        assert (opened.origin, faiss_of(opened).kind) == ("settled", "PCA256, IVF32, PQ64x4fs, SQ8")
        again = open_at(catalog, folder)
        assert (again.origin, faiss_of(again).coarse) == ("current", True)
        assert again.vectors.status().kind == "PCA256, IVF32, PQ64x4fs, SQ8"
        assert checked_at(catalog, folder) == ("current", []), "who grants little is not warned"
        catalog.images.store(make_batch(["/new"], embeddings=likenesses(1, 640, 5), seed=5))
        caught_up = open_at(catalog, folder)
        assert caught_up.origin == "caught up"
        found = caught_up.vectors.search(likenesses(1, 640, 5), 1)
        assert found.scores[0, 0] > 0.999, "what is new is compared whole"


def test_a_check_never_builds(large: Catalog, folder: Path, tmp_path: Path) -> None:
    assert checked_at(large, tmp_path / "none") == ("missing (will be rebuilt)", [])
    assert not (tmp_path / "none").exists()
    before = files_in(folder)
    segment_in(folder).unlink()
    del before[segment_in(folder).name]
    assert checked_at(large, folder)[0] == "damaged (will be rebuilt)"
    assert files_in(folder) == before


@pytest.mark.slow
def test_a_check_tells_what_will_be_done(
    large: Catalog, folder: Path, add: Callable[..., None]
) -> None:
    assert checked_at(large, folder) == ("current", [])
    add(large, 3)
    large.images.delete([1])
    assert checked_at(large, folder) == ("stale (will catch up)", [])
    save_at(large, folder)
    assert checked_at(large, folder) == ("current", [])


def test_a_check_compares_the_number_of_images(
    catalog: Catalog, saved: object, folder: Path
) -> None:
    with catalog.database.writing() as connection:
        # No verb of the catalog does that: it would be another generation.
        connection.exec_driver_sql("UPDATE images SET missing_since = '2026-01-01' WHERE id = 1")
    assert checked_at(catalog, folder) == ("current", ["the index shows 5 of 4 images"])
    assert delta_in(folder).exists()


def test_a_segment_stays_until_its_images_are_well_below_the_threshold(
    large: Catalog, folder: Path
) -> None:
    large.prefer("auto", None)
    components = 120 * large.identity.dim
    for threshold, has_segment in (
        (components, True),
        (2 * components, False),
        (components, False),
        (components - 1, True),
    ):
        opened = _settled(large, folder, FaissLimits(exact_components=threshold))
        assert (faiss_of(opened).segment is not None) == has_segment


def test_compacting_leaves_the_neighbours_of_all_as_they_are(
    large: Catalog, folder: Path, check_large: Check
) -> None:
    _settled(large, folder)
    before = manifest_in(folder)
    large.images.hide([3, 4])
    opened = compact_index(large, faiss_at(large, folder))
    assert opened is not None
    after = manifest_in(folder)
    assert after.segment != before.segment, "the segment is another one"
    assert after.graph == before.graph is not None
    graph = faiss_of(open_at(large, folder)).graph
    assert graph is not None
    assert graph.forgotten.tolist() == [3, 4]
    check_large(large, opened)
