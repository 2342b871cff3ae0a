"""A large catalog's index is arranged anew when that is due, and only for one who will save it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from index.catalog.catalog import Catalog
from index.catalog.images import Batch
from index.records import Floats
from index.sync import OpenedIndex, open_index, peek_index, save_index
from index.vectors.choose import choose_plan
from index.vectors.files import main_path, read_main_stamp

MakeBatch = Callable[..., Batch]
Likenesses = Callable[..., Floats]
NewCatalog = Callable[..., AbstractContextManager[Catalog]]
Check = Callable[[Catalog, OpenedIndex], None]


def _key(opened: OpenedIndex | None) -> str:
    """Return what tells the arrangement in use from every other."""
    assert opened is not None
    assert opened.vectors.main is not None
    return opened.vectors.main.key


def _saved_key(path: Path) -> str:
    stamp = read_main_stamp(main_path(path))
    assert stamp is not None
    return stamp.key


def _settled(catalog: Catalog, path: Path) -> OpenedIndex:
    """Return the index as `engine index` leaves it."""
    opened = open_index(catalog, path, settle=True)
    if opened.state != "current":
        assert save_index(opened, catalog, path)
    return opened


def test_arranging_tells_how_far_it_has_come(large: Catalog, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    assert open_index(large, tmp_path / "none.faiss", progress=progress).state == "rebuilt"
    assert (told[0], told[-1]) == ((0, 120), (120, 120))


def test_fewer_images_than_lists_are_compared_whole(
    catalog: Catalog, five: list[int], index_file: Path
) -> None:
    catalog.prefer("compressed", None)
    assert _settled(catalog, index_file).vectors.main is None
    assert open_index(catalog, index_file).state == "current"


def test_much_that_is_new_is_arranged_beside_the_rest_when_an_index_is_settled(
    large: Catalog,
    index_file: Path,
    check_large: Check,
    add: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("index.sync.FRESH", 5)
    key = _saved_key(index_file)
    add(large, 5)
    opened = _settled(large, index_file)
    assert (opened.vectors.fresh, _key(opened)) == (5, key), "five are not yet much"
    add(large, 2, ids=[7, 121], seed=8)
    large.images.hide([1])
    large.images.delete([2])
    assert open_index(large, index_file).vectors.fresh == 6, "only for one who will save it"
    opened = _settled(large, index_file)
    assert (opened.state, opened.vectors.fresh) == ("caught up", 0)
    assert _key(opened) == _saved_key(index_file) != key
    assert opened.vectors.main is not None
    assert (opened.vectors.main.total, opened.vectors.main.trained_on) == (126, 120)
    check_large(large, opened)
    again = open_index(large, index_file)
    assert again.state == "current"
    check_large(large, again)
    large.images.hide([121])
    check_large(large, open_index(large, index_file))


def test_what_a_search_has_caught_up_is_arranged_the_next_time_an_index_is_settled(
    large: Catalog,
    index_file: Path,
    check_large: Check,
    add: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("index.sync.FRESH", 5)
    add(large, 6)
    assert save_index(open_index(large, index_file), large, index_file)
    opened = _settled(large, index_file)
    assert opened.vectors.fresh == 0
    check_large(large, open_index(large, index_file))


def test_a_share_of_what_is_arranged_may_be_new(
    large: Catalog, index_file: Path, add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.sync.FRESH", 0)
    monkeypatch.setattr("index.sync.FRESH_SHARE", 0.1)
    add(large, 12)
    assert _settled(large, index_file).vectors.fresh == 12
    add(large, 1, seed=8)
    assert _settled(large, index_file).vectors.fresh == 0


def test_an_index_that_has_grown_a_lot_is_arranged_anew_when_it_is_settled(
    large: Catalog,
    index_file: Path,
    check_large: Check,
    add: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("index.sync.GROWTH", 1.1)
    key = _saved_key(index_file)
    add(large, 12)
    assert _key(_settled(large, index_file)) == key
    add(large, 1, seed=8)
    assert _key(_settled(large, index_file)) == key
    assert open_index(large, index_file).state == "current", "only for one who will save it"
    opened = _settled(large, index_file)
    assert (opened.state, opened.vectors.fresh) == ("rebuilt", 0)
    assert opened.vectors.main is not None
    assert opened.vectors.main.trained_on == 133
    check_large(large, open_index(large, index_file))


def test_an_index_much_of_which_is_hidden_is_arranged_anew_when_it_is_settled(
    large: Catalog, index_file: Path, check_large: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.sync.HIDDEN_SHARE", 0.1)
    key = _saved_key(index_file)
    large.images.hide(list(range(1, 13)))
    assert _key(_settled(large, index_file)) == key
    assert _key(_settled(large, index_file)) == key, "a tenth is not yet much"
    large.images.delete([13])
    assert _key(_settled(large, index_file)) == key
    opened = _settled(large, index_file)
    assert opened.state == "rebuilt"
    assert opened.vectors.main is not None
    assert opened.vectors.main.total == 107
    check_large(large, open_index(large, index_file))


def test_whoever_asks_for_exact_search_gets_it_and_can_go_back(
    large: Catalog, index_file: Path, check_large: Check
) -> None:
    large.prefer("exact", None)
    assert open_index(large, index_file).state == "current", "only for one who will save it"
    opened = _settled(large, index_file)
    assert (opened.state, opened.vectors.kind) == ("rebuilt", "exact float16")
    assert not main_path(index_file).exists()
    assert open_index(large, index_file).vectors.main is None
    check_large(large, open_index(large, index_file))
    large.prefer("compressed", None)
    opened = _settled(large, index_file)
    assert opened.state == "rebuilt"
    assert _key(opened) == _saved_key(index_file)
    check_large(large, open_index(large, index_file))


@pytest.mark.slow
def test_whoever_grants_less_memory_gets_coarser_codes(
    large: Catalog, index_file: Path, check_large: Check
) -> None:
    large.prefer(None, 1)
    opened = _settled(large, index_file)
    assert (opened.state, opened.vectors.kind) == ("rebuilt", "IVF16, PQ8x4fs, SQ4")
    assert _settled(large, index_file).state == "current"
    assert set(open_index(large, index_file).vectors.ids.tolist()) == set(range(1, 121))


def test_a_peek_never_arranges(large: Catalog, index_file: Path, tmp_path: Path) -> None:
    assert peek_index(large, tmp_path / "none.faiss") is None
    main_path(index_file).unlink()
    assert peek_index(large, index_file) is None


def test_a_peek_shows_what_can_be_had_soon(
    large: Catalog, index_file: Path, check_large: Check, add: Callable[..., None]
) -> None:
    opened = peek_index(large, index_file)
    assert opened is not None
    assert opened.state == "current"
    add(large, 3)
    large.images.delete([1])
    opened = peek_index(large, index_file)
    assert opened is not None
    assert opened.state == "caught up"
    check_large(large, opened)


def test_a_peek_builds_what_is_compared_whole(catalog: Catalog, five: list[int]) -> None:
    opened = peek_index(catalog, Path("nowhere.faiss"))
    assert opened is not None
    assert (opened.state, opened.vectors.ids.tolist()) == ("rebuilt", five)


def test_an_arranged_index_stays_so_until_it_is_well_below_the_threshold(
    large: Catalog, index_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large.prefer("auto", None)
    numbers = 120 * large.identity.dim
    for threshold, arranged in ((numbers, True), (2 * numbers, False), (numbers, False)):
        monkeypatch.setattr(choose_plan, "__defaults__", (threshold,))
        monkeypatch.setattr("index.sync.EXACT_COMPONENTS", threshold)
        assert (_settled(large, index_file).vectors.main is not None) == arranged
