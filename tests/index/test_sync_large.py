"""A large catalog's index catches up beside what was arranged, whatever the files are like."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from index.catalog.catalog import Catalog
from index.catalog.images import Batch
from index.records import Floats
from index.sync import OpenedIndex, open_index, save_index
from index.vectors.files import main_path, read_main_stamp, read_small

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


def _check_saved_again(
    catalog: Catalog, opened: OpenedIndex, path: Path, check_large: Check
) -> None:
    before = main_path(path).read_bytes()
    assert save_index(opened, catalog, path)
    again = open_index(catalog, path)
    assert again.state == "current"
    check_large(catalog, again)
    assert main_path(path).read_bytes() == before, "what was arranged is not written again"


def test_an_arranged_index_is_kept_in_two_files(
    large: Catalog, index_file: Path, check_large: Check
) -> None:
    assert _key(open_index(large, index_file)) == _saved_key(index_file)
    assert read_small(index_file) is not None
    opened = open_index(large, index_file)
    assert (opened.state, opened.count, opened.generation) == ("current", 120, large.generation())
    assert opened.vectors.kind == "IVF16, PQ8x4fs, SQ8"
    check_large(large, opened)


@pytest.mark.parametrize(
    "verbs",
    [
        [("hide", [1, 2, 50])],
        [("delete", [3, 4, 119, 120])],
        [("hide", [5, 6]), ("reveal", [5])],
        [("hide", [7, 8]), ("delete", [8, 9])],
    ],
    ids=["hidden", "deleted", "hidden and shown again", "hidden and deleted"],
)
def test_images_that_go_are_dropped_without_arranging_anew(
    large: Catalog, index_file: Path, check_large: Check, verbs: list[tuple[str, list[int]]]
) -> None:
    key = _saved_key(index_file)
    for verb, ids in verbs:
        getattr(large.images, verb)(ids)
    opened = open_index(large, index_file)
    assert (opened.state, _key(opened)) == ("caught up", key)
    check_large(large, opened)
    _check_saved_again(large, opened, index_file, check_large)


def test_images_that_come_are_found_without_arranging_anew(
    large: Catalog, index_file: Path, check_large: Check, add: Callable[..., None]
) -> None:
    key = _saved_key(index_file)
    add(large, 8)
    opened = open_index(large, index_file)
    assert (opened.state, _key(opened), opened.vectors.fresh) == ("caught up", key, 8)
    check_large(large, opened)
    _check_saved_again(large, opened, index_file, check_large)


def test_new_content_of_an_image_takes_the_place_of_the_old(
    large: Catalog, index_file: Path, check_large: Check, add: Callable[..., None]
) -> None:
    key = _saved_key(index_file)
    add(large, 3, ids=[10, 20, 120])
    opened = open_index(large, index_file)
    assert (opened.state, _key(opened), opened.vectors.fresh) == ("caught up", key, 3)
    check_large(large, opened)
    _check_saved_again(large, opened, index_file, check_large)


def test_an_image_that_was_hidden_when_it_was_saved_can_be_shown_again(
    large: Catalog, index_file: Path, check_large: Check
) -> None:
    large.images.hide([11, 12])
    assert save_index(open_index(large, index_file), large, index_file)
    large.images.reveal([11, 12])
    opened = open_index(large, index_file)
    assert opened.state == "caught up"
    check_large(large, opened)
    _check_saved_again(large, opened, index_file, check_large)


@pytest.mark.parametrize("saved", [False, True])
def test_where_the_small_file_is_lost_the_large_one_catches_up(
    large: Catalog, index_file: Path, check_large: Check, add: Callable[..., None], saved: bool
) -> None:
    key = _saved_key(index_file)
    add(large, 4)
    large.images.delete([1, 2])
    large.images.hide([3])
    if saved:
        assert save_index(open_index(large, index_file), large, index_file)
    index_file.unlink()
    opened = open_index(large, index_file)
    assert (opened.state, _key(opened)) == ("caught up", key)
    check_large(large, opened)


@pytest.mark.parametrize("harm", ["lost", "cut off", "another's stamp"])
def test_where_the_large_file_is_no_use_it_is_arranged_anew(
    large: Catalog, index_file: Path, check_large: Check, harm: str
) -> None:
    path, key = main_path(index_file), _saved_key(index_file)
    data = path.read_bytes()
    if harm == "lost":
        path.unlink()
    elif harm == "cut off":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(data.replace(b'"dim": 16', b'"dim": 17'))
    opened = open_index(large, index_file)
    assert opened.state == "rebuilt"
    assert _key(opened) != key
    check_large(large, opened)
    assert save_index(opened, large, index_file)
    assert _saved_key(index_file) == _key(opened)
    assert open_index(large, index_file).state == "current"


def test_a_small_file_beside_another_large_one_is_passed_over(
    large: Catalog, index_file: Path, check_large: Check, add: Callable[..., None]
) -> None:
    add(large, 4)
    large.images.hide([3])
    assert save_index(open_index(large, index_file), large, index_file)
    old = index_file.read_bytes()
    main_path(index_file).unlink()
    rebuilt = open_index(large, index_file)
    assert save_index(rebuilt, large, index_file)
    index_file.write_bytes(old)
    opened = open_index(large, index_file)
    assert (opened.state, _key(opened)) == ("current", _key(rebuilt))
    check_large(large, opened)


def test_a_large_file_written_beside_new_images_is_not_taken_for_the_whole(
    large: Catalog,
    index_file: Path,
    check_large: Check,
    add: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(large, 4)
    opened = open_index(large, index_file)
    main_path(index_file).unlink()

    def fail(*_: object) -> None:
        raise OSError("the disk fails")

    with monkeypatch.context() as patch:
        patch.setattr("index.sync.write_small", fail)
        assert not save_index(opened, large, index_file)
    assert _saved_key(index_file) == _key(opened), "the large file was written first"
    index_file.unlink()
    check_large(large, open_index(large, index_file))


@pytest.mark.parametrize("which", ["both", "large alone", "large beside its own small one"])
def test_the_files_of_another_catalog_are_passed_over(
    large: Catalog,
    index_file: Path,
    tmp_path: Path,
    new_catalog: NewCatalog,
    make_batch: MakeBatch,
    likenesses: Likenesses,
    check_large: Check,
    which: str,
) -> None:
    with new_catalog(dim=16, dtype="float16") as twin:
        drawn = likenesses(120, 16, seed=5)
        twin.images.store(make_batch([f"/{each}" for each in range(120)], embeddings=drawn))
        twin.prefer("compressed", None)
        other = tmp_path / "other.faiss"
        assert save_index(open_index(twin, other), twin, other)
    main_path(other).replace(main_path(index_file))
    if which == "both":
        other.replace(index_file)
    elif which == "large alone":
        index_file.unlink()
    opened = open_index(large, index_file)
    assert opened.state == "rebuilt"
    check_large(large, opened)


def test_where_most_has_changed_it_is_arranged_anew(
    large: Catalog, index_file: Path, check_large: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.sync.FRESH", 10)
    large.images.hide(list(range(1, 41)))
    assert open_index(large, index_file).state == "caught up", "40 of 80 is no more than half"
    large.images.hide([41])
    opened = open_index(large, index_file)
    assert opened.state == "rebuilt"
    check_large(large, opened)
