"""Giving back the room of removed images."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import StoreNotFoundError
from tests.support.shop import Shop

MANY = 400


@pytest.fixture
def emptied(shop: Shop) -> Shop:
    """A shop most of whose images were removed."""
    for content in range(10, 10 + MANY):
        shop.put(f"old/{content}.bmp", content)
    shop.index()
    shop.engine.remove([shop.folder / "old"])
    return shop


@pytest.mark.slow
def test_the_files_shrink(emptied: Shop) -> None:
    report = emptied.engine.compact()
    assert report.catalog_bytes < report.catalog_bytes_before / 2
    catalog = emptied.engine.config.store.folder / "catalog.sqlite"
    assert catalog.stat().st_size <= report.catalog_bytes


@pytest.mark.slow
def test_what_is_left_is_found_as_before(emptied: Shop) -> None:
    before = emptied.shown(1, 2, 3)
    emptied.engine.compact()
    assert emptied.shown(1, 2, 3) == before
    status = emptied.engine.status()
    assert (status.consistent, status.images) == (True, 3)


def test_images_that_are_only_hidden_are_kept(shop: Shop) -> None:
    shop.index()
    away = (shop.folder / "sub").rename(shop.folder.parent / "unmounted")
    shop.index()
    shop.engine.compact()
    away.rename(shop.folder / "sub")
    assert (shop.index().came_back, shop.memory.opened) == (1, [])


def test_compacting_twice_changes_nothing(shop: Shop) -> None:
    shop.index()
    shop.engine.compact()
    again = shop.engine.compact()
    assert again.catalog_bytes == again.catalog_bytes_before
    assert again.index_bytes == again.index_bytes_before


def test_without_a_catalog_there_is_nothing_to_compact(shop: Shop) -> None:
    with pytest.raises(StoreNotFoundError):
        shop.engine.compact()
    assert not Path(shop.engine.config.store.folder).exists()
