"""Pictures that lie elsewhere: their images follow without being opened."""

from __future__ import annotations

import os
import shutil

import pytest

from engine.errors import UsageError
from tests.support.shop import Shop, counts


def test_images_are_found_where_they_lie_now(shop: Shop) -> None:
    shop.index()
    shop.folder.rename(shop.folder.with_name("elsewhere"))
    report = shop.engine.relocate(shop.folder, shop.folder.with_name("elsewhere"))
    assert (report.relocated, list(report.not_found)) == (3, [])
    assert shop.names() == ["../elsewhere/a.bmp", "../elsewhere/b.bmp", "../elsewhere/sub/c.bmp"]


def test_the_next_run_finds_them_unchanged_without_opening_them(shop: Shop) -> None:
    shop.index()
    new = shop.folder.with_name("elsewhere")
    shutil.copytree(shop.folder, new, copy_function=shutil.copy2)
    shop.engine.relocate(shop.folder, new)
    shop.memory.opened.clear()
    assert counts(shop.engine.index([new])) == {"unchanged": 3}
    assert shop.memory.opened == []


def test_a_single_picture_can_be_relocated(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").rename(shop.folder / "z.bmp")
    assert shop.engine.relocate(shop.folder / "a.bmp", shop.folder / "z.bmp").relocated == 1
    assert shop.names() == ["b.bmp", "sub/c.bmp", "z.bmp"]


def test_a_folder_of_a_similar_name_stays(shop: Shop) -> None:
    shop.put("sub2/d.bmp", 4)
    shop.index()
    shop.engine.relocate(shop.folder / "sub", shop.folder / "new")
    assert shop.names() == ["a.bmp", "b.bmp", "new/c.bmp", "sub2/d.bmp"]


def test_a_folder_may_move_into_itself(shop: Shop) -> None:
    shop.index()
    shop.engine.relocate(shop.folder / "sub", shop.folder / "sub" / "sub")
    assert shop.names() == ["a.bmp", "b.bmp", "sub/sub/c.bmp"]


@pytest.mark.parametrize(("old", "new"), [("sub", "sub/sub"), ("sub/sub", "sub")])
def test_places_that_are_given_up_on_the_way_can_be_taken(shop: Shop, old: str, new: str) -> None:
    shop.put("sub/sub/c.bmp", 4)
    shop.put("sub/sub/sub/c.bmp", 5)
    if new == "sub":
        (shop.folder / "sub" / "c.bmp").unlink()
    shop.index()
    before = shop.names()
    shop.engine.relocate(shop.folder / old, shop.folder / new)
    moved = {name: name.replace(old, new, 1) for name in before if name.startswith(f"{old}/")}
    assert shop.names() == sorted(moved.get(name, name) for name in before)


def test_pictures_that_are_not_there_are_named(shop: Shop) -> None:
    shop.index()
    new = shop.folder / "new"
    report = shop.engine.relocate(shop.folder / "sub", new)
    assert list(report.not_found) == [os.fspath(new / "c.bmp")]


def test_hidden_images_stay_hidden(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").unlink()
    shop.index()
    shop.engine.relocate(shop.folder, shop.folder.with_name("elsewhere"))
    assert len(shop.names()) == 2


def test_where_other_images_lie_nothing_is_changed(shop: Shop) -> None:
    shop.put("other/c.bmp", 5)
    shop.index()
    before = shop.names()
    with pytest.raises(UsageError, match="1 other images where they would lie"):
        shop.engine.relocate(shop.folder / "sub", shop.folder / "other")
    assert shop.names() == before


def test_a_path_without_images_is_an_error(shop: Shop) -> None:
    shop.index()
    with pytest.raises(UsageError, match="no image of the catalog"):
        shop.engine.relocate(shop.folder / "typo", shop.folder / "new")


def test_the_folders_that_were_indexed_follow(shop: Shop) -> None:
    shop.index()
    new = str(shop.folder.with_name("elsewhere"))
    folders = shop.engine._session.catalog().folders
    shop.engine.relocate(shop.folder / "sub", f"{new}-sub")
    assert set(folders.all()) == {str(shop.folder), f"{new}-sub"}
    shop.engine.relocate(shop.folder, new)
    assert set(folders.all()) == {new, f"{new}-sub"}
    shop.engine.relocate(shop.folder.with_name("elsewhere") / "a.bmp", shop.folder / "z.bmp")
    assert set(folders.all()) == {new, f"{new}-sub"}
