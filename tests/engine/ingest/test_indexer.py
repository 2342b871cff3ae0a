"""Indexing: what is new, changed, moved, gone and back, and that nothing is opened in vain."""

from __future__ import annotations

import os
import shutil
import time

import pytest
from sqlalchemy import text

from tests.support.shop import LONG_AGO, Shop, counts


def test_new_images_are_added_and_found(shop: Shop) -> None:
    assert counts(shop.index()) == {"added": 3, "embedded": 3}
    assert shop.shown(1, 2, 3) == {"1": ["a.bmp"], "2": ["b.bmp"], "3": ["sub/c.bmp"]}


def test_a_second_run_opens_no_image(shop: Shop) -> None:
    shop.index()
    assert counts(shop.index()) == {"unchanged": 3}
    assert shop.opened == []


def test_a_changed_image_is_updated_alone(shop: Shop) -> None:
    shop.index()
    shop.put("a.bmp", 7)
    assert counts(shop.index()) == {"updated": 1, "unchanged": 2, "embedded": 1}
    assert shop.opened == ["a.bmp"]
    assert shop.shown(1, 7) == {"1": [], "7": ["a.bmp"]}


def test_a_file_that_was_only_touched_is_unchanged_and_not_embedded(shop: Shop) -> None:
    shop.index()
    os.utime(shop.folder / "a.bmp", (LONG_AGO, LONG_AGO + 999))
    assert counts(shop.index()) == {"unchanged": 3}
    assert shop.opened == ["a.bmp"]
    shop.index()
    assert shop.opened == []


def test_a_file_that_was_young_when_it_was_scanned_is_looked_at_again(shop: Shop) -> None:
    now = time.time_ns()
    os.utime(shop.put("a.bmp", 1), ns=(now, now))
    shop.index()
    os.utime(shop.put("a.bmp", 7), ns=(now, now))
    assert counts(shop.index()) == {"updated": 1, "unchanged": 2, "embedded": 1}
    assert shop.shown(1, 7) == {"1": [], "7": ["a.bmp"]}


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_noticed(shop: Shop) -> None:
    shop.index()
    time_of_first = (shop.folder / "a.bmp").stat().st_mtime_ns
    other = shop.put("../other.bmp", 7)
    os.utime(other, ns=(time_of_first, time_of_first))
    other.replace(shop.folder / "a.bmp")
    assert counts(shop.index()) == {"updated": 1, "unchanged": 2, "embedded": 1}
    assert shop.shown(1, 7) == {"1": [], "7": ["a.bmp"]}


def test_a_file_written_over_with_its_old_time_is_noticed(shop: Shop) -> None:
    shop.index()
    path = shop.folder / "a.bmp"
    before = path.stat()
    with path.open("r+b") as file:
        file.write(shop.put("../other.bmp", 7).read_bytes())
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert path.stat().st_ino == before.st_ino
    assert counts(shop.index()) == {"updated": 1, "unchanged": 2, "embedded": 1}


def test_a_tree_that_was_copied_and_put_back_is_not_embedded_anew(shop: Shop) -> None:
    shop.index()
    copy = shop.folder.with_name("copy")
    shutil.copytree(shop.folder, copy, copy_function=shutil.copy2)
    shutil.rmtree(shop.folder)
    copy.rename(shop.folder)
    assert counts(shop.index()) == {"unchanged": 3}
    assert len(shop.opened) == 3
    shop.index()
    assert shop.opened == []


def test_verify_opens_what_looks_unchanged(shop: Shop) -> None:
    shop.index()
    assert counts(shop.index(verify=True)) == {"unchanged": 3}
    assert sorted(shop.opened) == ["a.bmp", "b.bmp", "sub/c.bmp"]


def test_images_of_an_older_catalog_are_identified_without_being_opened(shop: Shop) -> None:
    shop.index()
    with (
        shop.engine._session.writing(create=False) as catalog,
        catalog.database.writing() as connection,
    ):
        connection.execute(text("UPDATE images SET inode = NULL, ctime_ns = NULL"))
    assert counts(shop.index()) == {"unchanged": 3}
    assert shop.opened == []
    shop.put("../other.bmp", 7).replace(shop.folder / "a.bmp")
    os.utime(shop.folder / "a.bmp", (LONG_AGO, LONG_AGO + 1))
    assert counts(shop.index()) == {"updated": 1, "unchanged": 2, "embedded": 1}


def test_a_removed_file_disappears_from_search(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").unlink()
    report = shop.index()
    assert counts(report) == {"removed": 1, "unchanged": 2}
    assert (report.images, shop.names()) == (2, ["b.bmp", "sub/c.bmp"])


def test_a_file_that_is_gone_is_counted_once(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").unlink()
    shop.index()
    assert counts(shop.index()) == {"unchanged": 2}


def test_a_folder_that_comes_back_is_visible_again_without_being_opened(shop: Shop) -> None:
    shop.index()
    away = (shop.folder / "sub").rename(shop.folder.parent / "unmounted")
    shop.index()
    away.rename(shop.folder / "sub")
    assert counts(shop.index()) == {"came_back": 1, "unchanged": 2}
    assert shop.opened == []
    assert shop.shown(3) == {"3": ["sub/c.bmp"]}


def test_a_file_that_comes_back_is_visible_again_without_being_embedded(shop: Shop) -> None:
    shop.index()
    shop.folder.joinpath("a.bmp").rename(shop.folder.parent / "elsewhere.bmp")
    shop.index()
    shop.folder.parent.joinpath("elsewhere.bmp").rename(shop.folder / "a.bmp")
    assert counts(shop.index()) == {"came_back": 1, "unchanged": 2}
    assert shop.shown(1) == {"1": ["a.bmp"]}


def test_a_file_that_comes_back_with_other_content_shows_that(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").unlink()
    shop.index()
    shop.put("a.bmp", 8)
    assert shop.index().embedded == 1
    assert shop.shown(1, 8) == {"1": [], "8": ["a.bmp"]}


def test_a_file_that_moved_keeps_its_embedding(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").rename(shop.folder / "sub" / "z.bmp")
    assert counts(shop.index()) == {"moved": 1, "unchanged": 2}
    assert shop.shown(1) == {"1": ["sub/z.bmp"]}


def test_the_images_of_a_renamed_folder_are_moved(shop: Shop) -> None:
    for content in range(10, 15):
        shop.put(f"old/{content}.bmp", content)
    shop.index()
    (shop.folder / "old").rename(shop.folder / "new")
    assert counts(shop.index()) == {"moved": 5, "unchanged": 3}
    assert shop.shown(10, 14) == {"10": ["new/10.bmp"], "14": ["new/14.bmp"]}


def test_a_file_moved_after_it_was_missed_is_moved_still(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").rename(shop.folder.parent / "elsewhere.bmp")
    shop.index()
    (shop.folder.parent / "elsewhere.bmp").rename(shop.folder / "z.bmp")
    assert counts(shop.index()) == {"moved": 1, "unchanged": 2}
    assert shop.shown(1) == {"1": ["z.bmp"]}


def test_two_files_that_swapped_names_keep_the_right_embeddings(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").rename(shop.folder / "t")
    (shop.folder / "b.bmp").rename(shop.folder / "a.bmp")
    (shop.folder / "t").rename(shop.folder / "b.bmp")
    assert shop.index().updated == 2
    assert shop.shown(1, 2) == {"1": ["b.bmp"], "2": ["a.bmp"]}


def test_a_file_renamed_over_another_takes_its_place(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").replace(shop.folder / "b.bmp")
    assert counts(shop.index()) == {"updated": 1, "removed": 1, "unchanged": 1}
    assert shop.shown(1, 2) == {"1": ["b.bmp"], "2": []}


def test_a_copy_is_added_without_being_embedded(shop: Shop) -> None:
    shop.index()
    shutil.copy2(shop.folder / "a.bmp", shop.folder / "copy.bmp")
    assert counts(shop.index()) == {"added": 1, "unchanged": 3}
    assert shop.shown(1) == {"1": ["a.bmp", "copy.bmp"]}


@pytest.mark.parametrize(
    "name", ["new\nline.bmp", "b🛋ld.bmp", b"\xff\xfe raw.bmp", "tab\t'\" ;--.bmp", "%_*?.bmp"]
)
def test_strange_names_are_indexed_found_and_remembered(shop: Shop, name: str | bytes) -> None:
    shop.put(name, 9)
    shop.index()
    assert shop.shown(9) == {"9": [os.fsdecode(name)]}
    assert counts(shop.index()) == {"unchanged": 4}


def test_a_single_file_can_be_indexed_and_the_others_left_alone(shop: Shop) -> None:
    shop.index()
    shop.put("a.bmp", 7)
    (shop.folder / "b.bmp").unlink()
    assert counts(shop.engine.index([shop.folder / "a.bmp"])) == {"updated": 1, "embedded": 1}
    assert shop.names() == ["a.bmp", "b.bmp", "sub/c.bmp"]


def test_a_subfolder_indexed_alone_leaves_the_rest_alone(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").unlink()
    assert counts(shop.engine.index([shop.folder / "sub"])) == {"unchanged": 1}
    assert shop.names() == ["a.bmp", "b.bmp", "sub/c.bmp"]


def test_every_image_is_told_of_as_progress(shop: Shop) -> None:
    shop.index()
    assert [each for each in shop.reporter.told if each[0] == "indexing"] == [
        ("indexing", number, 3, "images") for number in (1, 2, 3)
    ]
