"""Indexing folders with links in them: the same names run after run, real paths first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine import Engine
from tests.support.shop import counts, put


def shown(engine: Engine, folder: Path) -> list[str]:
    """Return what a search can find, relative to a folder."""
    hits = engine.search(put(folder.parent / "query.bmp", 0), k=1000)
    return sorted(os.path.relpath(hit.path, folder) for hit in hits)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the pictures m/1.bmp and m/sub/2.bmp."""
    put(tmp_path / "shop" / "m" / "1.bmp", 1)
    put(tmp_path / "shop" / "m" / "sub" / "2.bmp", 2)
    return tmp_path / "shop"


LINKS = {
    "before": [("a", "m")],
    "after": [("z", "m")],
    "both": [("a", "m"), ("z", "m")],
    "into a subfolder": [("a", "m/sub")],
    "to the top": [("m/a", ".")],
    "to each other": [("a", "m"), ("m/sub/b", "m/sub")],
    "outside": [("a", "../outside"), ("z", "../outside")],
}


@pytest.mark.parametrize("links", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("roots", [["."], [".", "a"], ["m", "."]], ids=" and ".join)
def test_a_later_run_finds_everything_unchanged(
    shop: Path, fake_engine: Engine, links: Sequence[tuple[str, str]], roots: Sequence[str]
) -> None:
    put(shop.parent / "outside" / "3.bmp", 3)
    (shop / "a").mkdir()
    for link, target in links:
        if link == "a":
            (shop / "a").rmdir()
        (shop / link).symlink_to(shop / target)
    folders = [shop / root for root in roots]
    first = fake_engine.index(folders)
    names = shown(fake_engine, shop)
    assert counts(fake_engine.index(folders[::-1])) == {"unchanged": first.added}
    assert shown(fake_engine, shop) == names
    assert names[-2:] == ["m/1.bmp", "m/sub/2.bmp"]


@pytest.mark.parametrize("link", ["a", "z", "m/sub/back"])
def test_a_link_that_is_made_later_changes_nothing(
    shop: Path, fake_engine: Engine, link: str
) -> None:
    fake_engine.index([shop])
    (shop / link).symlink_to(shop / "m")
    assert counts(fake_engine.index([shop])) == {"unchanged": 2}
    (shop / link).unlink()
    assert counts(fake_engine.index([shop])) == {"unchanged": 2}


@pytest.mark.parametrize("link", ["album", "m/one.bmp"])
def test_a_link_to_what_is_known_by_its_real_path_adds_nothing(
    shop: Path, fake_engine: Engine, link: str
) -> None:
    album = shop.parent / "album"
    (album / link).parent.mkdir(parents=True)
    target = shop / "m" / "1.bmp" if link.endswith(".bmp") else shop
    fake_engine.index([shop])
    before = shown(fake_engine, shop)
    (album / link).symlink_to(target)
    report = fake_engine.index([album])
    assert (report.added, report.moved, report.removed) == (0, 0, 0)
    assert shown(fake_engine, shop) == before


def test_a_file_that_changed_is_updated_by_way_of_a_link_to_its_folder(
    shop: Path, fake_engine: Engine
) -> None:
    fake_engine.index([shop])
    (shop.parent / "album").symlink_to(shop)
    put(shop / "m" / "1.bmp", 9)
    report = fake_engine.index([shop.parent / "album"])
    assert counts(report) == {"updated": 1, "unchanged": 1, "embedded": 1}
    assert shown(fake_engine, shop) == ["m/1.bmp", "m/sub/2.bmp"]


def test_images_known_by_a_link_alone_are_moved_to_their_real_path(
    shop: Path, fake_engine: Engine
) -> None:
    (shop / "a").symlink_to(shop / "m")
    fake_engine.index([shop / "a"], label="parent")
    assert shown(fake_engine, shop) == ["a/1.bmp", "a/sub/2.bmp"]
    assert counts(fake_engine.index([shop])) == {"moved": 2}
    assert shown(fake_engine, shop) == ["m/1.bmp", "m/sub/2.bmp"]
    hits = fake_engine.search(shop / "m" / "1.bmp")
    assert {hit.label for hit in hits} == {"a", "sub"}, "labels are kept"


def test_a_root_behind_a_link_is_not_empty_because_its_real_path_was_walked(
    shop: Path, fake_engine: Engine
) -> None:
    (shop / "a").symlink_to(shop / "m")
    fake_engine.index([shop / "a"])
    report = fake_engine.index([shop / "a", shop / "m"])
    assert (counts(report), list(report.notes)) == ({"moved": 2}, [])
