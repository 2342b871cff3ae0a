"""A large catalog's index catches up beside its segment, whatever its files are like."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import Floats
from index.sync import CatchUpLimits, OpenedIndex, save_index
from index.vectors.manifest import MANIFEST, write_manifest
from tests.support.indexes import (
    checked_at,
    delta_in,
    faiss_of,
    files_in,
    flip_bit,
    manifest_in,
    open_at,
    save_at,
    segment_in,
    segment_of,
)

MakeBatch = Callable[..., Batch]
Likenesses = Callable[..., Floats]
NewCatalog = Callable[..., AbstractContextManager[Catalog]]
Check = Callable[[Catalog, OpenedIndex], None]


def _key(folder: Path) -> str:
    """Return the key of the saved segment."""
    return segment_in(folder).name.removeprefix("segment-").removesuffix(".faiss")


def _facts(opened: OpenedIndex) -> tuple[str, str, int]:
    """Return what opening took, the segment in use, and how many images lie beside it."""
    return opened.origin, segment_of(opened).key, len(faiss_of(opened).delta)


def _check_saved_again(
    catalog: Catalog, opened: OpenedIndex, folder: Path, check_large: Check
) -> None:
    before = segment_in(folder).stat()
    assert save_index(opened, catalog)
    again = open_at(catalog, folder)
    assert again.origin == "current"
    check_large(catalog, again)
    after = segment_in(folder).stat()
    assert after.st_ino == before.st_ino, "the segment is not written again"


def test_an_index_with_a_segment_lies_in_two_files_and_a_manifest(
    large: Catalog, folder: Path, check_large: Check
) -> None:
    names = {MANIFEST, segment_in(folder).name, delta_in(folder).name}
    assert set(files_in(folder)) == names
    opened = open_at(large, folder)
    assert _facts(opened) == ("current", _key(folder), 0)
    assert faiss_of(opened).kind == manifest_in(folder).kind == "IVF16, PQ8x4fs, SQ8"
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
def test_images_that_go_are_masked_and_the_segment_stays(
    large: Catalog, folder: Path, check_large: Check, verbs: list[tuple[str, list[int]]]
) -> None:
    for verb, ids in verbs:
        getattr(large.images, verb)(ids)
    opened = open_at(large, folder)
    assert _facts(opened)[:2] == ("caught up", _key(folder))
    check_large(large, opened)
    _check_saved_again(large, opened, folder, check_large)


def test_images_that_come_are_found_and_the_segment_stays(
    large: Catalog, folder: Path, check_large: Check, add: Callable[..., None]
) -> None:
    add(large, 8)
    opened = open_at(large, folder)
    assert _facts(opened) == ("caught up", _key(folder), 8)
    check_large(large, opened)
    _check_saved_again(large, opened, folder, check_large)


def test_new_content_of_an_image_takes_the_place_of_the_old(
    large: Catalog, folder: Path, check_large: Check, add: Callable[..., None]
) -> None:
    add(large, 3, ids=[10, 20, 120])
    opened = open_at(large, folder)
    assert _facts(opened) == ("caught up", _key(folder), 3)
    check_large(large, opened)
    _check_saved_again(large, opened, folder, check_large)


def test_an_image_that_was_hidden_when_it_was_saved_can_be_shown_again(
    large: Catalog, folder: Path, check_large: Check
) -> None:
    large.images.hide([11, 12])
    save_at(large, folder)
    large.images.reveal([11, 12])
    opened = open_at(large, folder)
    assert opened.origin == "caught up"
    check_large(large, opened)
    _check_saved_again(large, opened, folder, check_large)


@pytest.mark.parametrize("harm", ["lost", "cut off", "a flipped bit"])
@pytest.mark.parametrize("saved", [False, True])
def test_where_the_delta_is_no_use_the_segment_catches_up(
    large: Catalog,
    folder: Path,
    check_large: Check,
    add: Callable[..., None],
    saved: bool,
    harm: str,
) -> None:
    key = _key(folder)
    add(large, 4)
    large.images.delete([1, 2])
    large.images.hide([3])
    if saved:
        save_at(large, folder)
    _harm(delta_in(folder), harm)
    opened = open_at(large, folder)
    assert _facts(opened)[:2] == ("caught up", key)
    check_large(large, opened)
    _check_saved_again(large, opened, folder, check_large)


def _harm(path: Path, harm: str) -> None:
    data = path.read_bytes()
    if harm == "lost":
        path.unlink()
    elif harm == "cut off":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "grown":
        path.write_bytes(data + bytes(8))
    elif harm == "another":
        path.write_bytes(np.random.default_rng(0).bytes(len(data)))
    else:
        flip_bit(path, len(data) // 2)


@pytest.mark.parametrize("harm", ["lost", "cut off", "grown", "another", "a flipped bit"])
def test_where_the_segment_is_no_use_it_is_built_anew(
    large: Catalog, folder: Path, check_large: Check, harm: str
) -> None:
    path, key = segment_in(folder), _key(folder)
    _harm(path, harm)
    state, problems = checked_at(large, folder)
    assert state == "damaged (will be rebuilt)"
    assert problems == [f"{path} is damaged; delete it, and it is built anew"]
    opened = open_at(large, folder)
    assert opened.origin == "rebuilt"
    assert segment_of(opened).key != key
    check_large(large, opened)
    assert save_index(opened, large)
    assert _key(folder) == segment_of(opened).key
    assert open_at(large, folder).origin == "current"
    assert checked_at(large, folder) == ("current", [])


def test_a_bit_that_the_disk_flips_by_itself_is_noticed(
    large: Catalog, folder: Path, check_large: Check
) -> None:
    path = segment_in(folder)
    before = path.stat()
    flip_bit(path, before.st_size - 1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert checked_at(large, folder)[0] == "damaged (will be rebuilt)"
    opened = open_at(large, folder)
    assert opened.origin == "rebuilt"
    check_large(large, opened)


def test_a_recall_far_below_the_promise_is_a_problem(large: Catalog, folder: Path) -> None:
    manifest = manifest_in(folder)
    write_manifest(folder, replace(manifest, recall=0.0012))
    [problem] = checked_at(large, folder)[1]
    assert problem.startswith("the index finds 0% of the nearest images")
    write_manifest(folder, replace(manifest, recall=0.985))
    assert checked_at(large, folder) == ("current", [])


def test_a_segment_that_was_copied_is_read_whole_once(
    large: Catalog, folder: Path, check_large: Check
) -> None:
    path, entry = segment_in(folder), manifest_in(folder).segment
    assert entry is not None
    path.write_bytes(path.read_bytes())
    assert path.stat().st_mtime_ns != entry.file.mtime_ns
    opened = open_at(large, folder)
    assert opened.origin == "current"
    check_large(large, opened)
    assert path.stat().st_mtime_ns == entry.file.mtime_ns, "the next one need not read it"


def test_a_segment_of_another_dim_is_passed_over(
    large: Catalog,
    folder: Path,
    tmp_path: Path,
    new_catalog: NewCatalog,
    make_batch: MakeBatch,
    likenesses: Likenesses,
) -> None:
    with new_catalog(dim=8, dtype="float16") as other:
        drawn = likenesses(120, 8, seed=5)
        other.images.store(make_batch([f"/{each}" for each in range(120)], embeddings=drawn))
        other.prefer("compressed", None)
        save_at(other, tmp_path / "other")
    for path in folder.iterdir():
        path.unlink()
    for path in (tmp_path / "other").iterdir():
        path.replace(folder / path.name)
    assert open_at(large, folder).origin == "rebuilt"


def test_a_segment_written_beside_new_images_is_not_taken_for_the_whole(
    large: Catalog, folder: Path, check_large: Check, add: Callable[..., None]
) -> None:
    add(large, 4)
    opened = open_at(large, folder)
    segment_in(folder).unlink()
    assert save_index(opened, large), "the segment is written again, from where it is mapped"
    entry = manifest_in(folder).segment
    assert entry is not None
    assert entry.state is None
    check_large(large, open_at(large, folder))
    delta_in(folder).unlink()
    opened = open_at(large, folder)
    assert opened.origin == "rebuilt"
    check_large(large, opened)


@pytest.mark.parametrize("which", ["all", "files under this manifest's names", "the manifest"])
def test_the_files_of_another_catalog_are_passed_over(
    large: Catalog,
    folder: Path,
    tmp_path: Path,
    new_catalog: NewCatalog,
    make_batch: MakeBatch,
    likenesses: Likenesses,
    check_large: Check,
    which: str,
) -> None:
    other = tmp_path / "other"
    with new_catalog(dim=16, dtype="float16") as twin:
        drawn = likenesses(120, 16, seed=5)
        twin.images.store(make_batch([f"/{each}" for each in range(120)], embeddings=drawn))
        twin.prefer("compressed", None)
        save_at(twin, other)
    if which == "files under this manifest's names":
        segment_in(other).replace(segment_in(folder))
        delta_in(other).replace(delta_in(folder))
    elif which == "the manifest":
        (other / MANIFEST).replace(folder / MANIFEST)
    else:
        for path in other.iterdir():
            path.replace(folder / path.name)
    opened = open_at(large, folder)
    assert opened.origin == "rebuilt"
    check_large(large, opened)


def test_where_most_has_changed_it_is_built_anew(
    large: Catalog, folder: Path, check_large: Check
) -> None:
    limits = CatchUpLimits(images=10, share=0.5)
    large.images.hide(list(range(1, 41)))
    opened = open_at(large, folder, catch_up=limits)
    assert opened.origin == "caught up", "40 of 80 is no more than half"
    large.images.hide([41])
    opened = open_at(large, folder, catch_up=limits)
    assert opened.origin == "rebuilt"
    check_large(large, opened)
