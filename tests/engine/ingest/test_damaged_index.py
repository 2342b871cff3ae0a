"""A damaged index is built anew, with a line about it; a missing one without."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import CatalogDamagedError
from tests.support.indexes import flip_bit
from tests.support.shop import Shop

LINE = "the index was damaged, and was built anew from the catalog"


def _files(shop: Shop) -> list[Path]:
    shop.engine.close()
    return sorted((shop.folder.parent / "store" / "index").iterdir())


@pytest.mark.parametrize("name", ["delta", "manifest"])
def test_what_is_damaged_is_built_anew_and_told_once(shop: Shop, name: str) -> None:
    shop.index()
    [file] = [path for path in _files(shop) if path.name.startswith(name)]
    flip_bit(file, file.stat().st_size // 2)
    assert shop.shown(1, 2, 3) == {"1": ["a.bmp"], "2": ["b.bmp"], "3": ["sub/c.bmp"]}
    assert shop.reporter.announced == [LINE]
    shop.engine.close()
    shop.names()
    assert shop.reporter.announced == [LINE]
    assert shop.engine.status().consistent


def test_a_missing_index_is_built_without_a_word(shop: Shop) -> None:
    shop.index()
    for file in _files(shop):
        file.unlink()
    assert shop.names() == ["a.bmp", "b.bmp", "sub/c.bmp"]
    assert shop.reporter.announced == []


def test_an_image_whose_row_is_lost_is_not_passed_over(shop: Shop) -> None:
    shop.index()
    shop.engine.close()
    with closing(sqlite3.connect(shop.folder.parent / "store" / "catalog.sqlite")) as database:
        database.execute("DELETE FROM images WHERE id = 2")
        database.commit()
    with pytest.raises(CatalogDamagedError, match="rows of 1 images are not there any more"):
        shop.names()
