"""What is left out of a folder, unasked or asked for, and what stays though its name is odd."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shop import Shop, counts


def test_hidden_and_system_folders_are_counted(shop: Shop) -> None:
    shop.put(".hidden/1.bmp", 4)
    shop.put("@eaDir/2.bmp", 5)
    shop.put("sub/.3.bmp", 6)
    report = shop.index()
    assert (report.added, report.left_out) == (3, 3)


def test_hidden_and_system_folders_can_be_included(shop: Shop) -> None:
    shop.put(".hidden/1.bmp", 4)
    shop.put("node_modules/2.bmp", 5)
    shop.put("sub/.3.bmp", 6)
    report = shop.index(include_hidden=True)
    assert (report.added, report.left_out) == (6, 0)


@pytest.mark.parametrize("exclude", ["sub", "c.bmp", "sub/*", "/sub/c.bmp", "s?b/"])
def test_what_a_pattern_names_is_left_out(shop: Shop, exclude: str) -> None:
    report = shop.index(exclude=(exclude,))
    assert (report.added, report.excluded) == (2, 1)
    assert shop.names() == ["a.bmp", "b.bmp"]


@pytest.mark.parametrize("exclude", ["SUB", "b", "ub", "a/*.bmp"])
def test_what_no_pattern_names_stays(shop: Shop, exclude: str) -> None:
    assert shop.index(exclude=(exclude,)).added == 3


def test_what_is_excluded_later_is_gone_from_answers(shop: Shop) -> None:
    shop.index()
    assert counts(shop.index(exclude=("sub",))) == {"removed": 1, "unchanged": 2}
    assert shop.names() == ["a.bmp", "b.bmp"]


def test_where_everything_is_excluded_later_everything_is_gone(shop: Shop) -> None:
    shop.index()
    report = shop.index(exclude=("*.bmp",))
    assert (counts(report), list(report.notes)) == ({"removed": 3}, [])


def test_what_is_excluded_no_longer_comes_back_without_being_embedded(shop: Shop) -> None:
    shop.index()
    shop.index(exclude=("sub",))
    assert counts(shop.index()) == {"came_back": 1, "unchanged": 2}


@pytest.mark.parametrize("name", ["no-extension", ".hidden.bmp", ".cache/d.bmp", "sub/scan.dat"])
def test_an_image_named_by_hand_stays_when_its_folder_is_indexed(shop: Shop, name: str) -> None:
    path = shop.put("image.bmp", 4)
    shop.index()
    odd = shop.folder / name
    odd.parent.mkdir(exist_ok=True)
    path.rename(odd)
    shop.engine.index([odd])
    assert counts(shop.index()) == {"unchanged": 4}
    assert name in shop.names()


def test_an_image_named_by_hand_is_updated_when_its_folder_is_indexed(shop: Shop) -> None:
    odd = shop.put("image.bmp", 4).rename(shop.folder / "scan")
    shop.engine.index([odd])
    shop.put("image.bmp", 7).rename(odd)
    assert counts(shop.index())["updated"] == 1
    assert shop.shown(4, 7) == {"4": [], "7": ["scan"]}


def test_an_image_named_by_hand_goes_with_its_file(shop: Shop) -> None:
    odd = shop.put("image.bmp", 4).rename(shop.folder / "scan")
    shop.engine.index([odd])
    shop.index()
    Path(odd).unlink()
    assert counts(shop.index()) == {"removed": 1, "unchanged": 3}


def test_an_image_named_by_hand_can_be_excluded(shop: Shop) -> None:
    odd = shop.put("image.bmp", 4).rename(shop.folder / "scan")
    shop.engine.index([odd])
    assert counts(shop.index(exclude=("scan",))) == {"removed": 1, "added": 3, "embedded": 3}
