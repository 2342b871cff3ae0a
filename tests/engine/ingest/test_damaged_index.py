"""A damaged index is built anew, with a line about it; a missing one without."""

from __future__ import annotations

from pathlib import Path

import pytest

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
