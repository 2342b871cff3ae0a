"""A store and the pictures beside it, moved together, or one without the other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import Engine
from engine.config import Config
from engine.testing import FakeEmbedder
from tests.support.shop import NotingMemory, NotingReporter, Shop, counts


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    """Open the store in `folder`, and the shop beside it."""
    config, reporter = Config.at(folder / ".engine"), NotingReporter()
    embedder = FakeEmbedder(config)
    embedder.memory = memory = NotingMemory()
    with Engine(config, reporter, embedder=embedder) as engine:
        yield Shop(folder / "shop", engine, memory, reporter)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a store, and beside it the pictures that were indexed into it."""
    with opened(tmp_path / "home") as shop:
        for content, name in enumerate(("a.bmp", "sub/b.bmp", b"caf\xe9.bmp"), start=1):
            shop.put(name, content)
        shop.index(label="parent")
    return tmp_path / "home"


@pytest.mark.parametrize("name", ["away", "caf\udce9", "with space"])
def test_a_store_and_its_pictures_move_together(home: Path, name: str) -> None:
    there = home.with_name(name)
    home.rename(there)
    with opened(there) as shop:
        assert [hit.missing for hit in shop.engine.search(there / "shop" / "a.bmp")] == [False] * 3
        assert shop.shown(1, 2) == {"1": ["a.bmp"], "2": ["sub/b.bmp"]}
        assert shop.engine.search(there / "shop" / "a.bmp", k=1)[0].path == str(
            there / "shop" / "a.bmp"
        )
        assert counts(shop.index(label="parent")) == {"unchanged": 3}
        assert shop.opened == []


def test_the_folders_that_were_indexed_move_too(home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with opened(home) as shop:
        shop.engine.index([home / "shop" / "sub", tmp_path / "elsewhere"])
    home.rename(there := tmp_path / "caf\udce9")
    with opened(there) as shop:
        folders = shop.engine._session.catalog().folders
        assert folders.all() == [str(tmp_path / "elsewhere"), str(there / "shop")]
        shop.engine.index([there])
        assert folders.all() == [str(there), str(tmp_path / "elsewhere")]
    there.rename(tmp_path / "again")
    with opened(tmp_path / "again") as shop:
        assert str(tmp_path / "again") in shop.engine._session.catalog().folders.all()


def test_a_copy_of_both_answers_for_itself(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "copy", copy_function=shutil.copy2)
    with opened(tmp_path / "copy") as shop:
        assert shop.names() == ["a.bmp", "caf\udce9.bmp", "sub/b.bmp"]
        assert counts(shop.index(label="parent")) == {"unchanged": 3}


def test_a_store_opened_through_a_link_has_the_same_pictures(home: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / ".engine").symlink_to(home / ".engine")
    with opened(tmp_path / "linked") as shop:
        hits = shop.engine.search(home / "shop" / "a.bmp", k=1)
        assert [(hit.path, hit.missing) for hit in hits] == [(str(home / "shop" / "a.bmp"), False)]


def test_a_store_moved_alone_says_that_its_pictures_are_missing(home: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (home / ".engine").rename(tmp_path / "alone" / ".engine")
    with opened(tmp_path / "alone") as shop:
        assert all(hit.missing for hit in shop.engine.search(home / "shop" / "a.bmp"))
        shop.engine.relocate(tmp_path / "alone" / "shop", home / "shop")
        assert not any(hit.missing for hit in shop.engine.search(home / "shop" / "a.bmp"))


def test_pictures_that_a_store_is_moved_above_move_with_it_from_then_on(
    home: Path, tmp_path: Path
) -> None:
    above = tmp_path / "above"
    above.mkdir()
    (home / ".engine").rename(above / ".engine")
    home.rename(above / "home")
    with opened(above) as shop:
        shop.engine.relocate(above / "shop", above / "home" / "shop")
    above.rename(tmp_path / "moved")
    with opened(tmp_path / "moved") as shop:
        hits = shop.engine.search(tmp_path / "moved" / "home" / "shop" / "a.bmp")
        assert not any(hit.missing for hit in hits)


def test_where_a_moved_folder_lies_in_the_place_of_another_each_file_is_one_image(
    home: Path, tmp_path: Path
) -> None:
    """What lay there before was stored whole, from outside the store's folder."""
    with opened(home) as shop:
        other = tmp_path / "away" / "shop"
        other.mkdir(parents=True)
        shutil.copy2(home / "shop" / "a.bmp", other / "a.bmp")
        shop.engine.index([other])
    shutil.rmtree(tmp_path / "away")
    home.rename(tmp_path / "away")
    with opened(tmp_path / "away") as shop:
        assert counts(shop.index(label="parent")) == {"unchanged": 3}
        assert shop.names() == ["a.bmp", "caf\udce9.bmp", "sub/b.bmp"]
