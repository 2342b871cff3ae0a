"""Indexing: labels are given, kept and taken, without opening what is known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.shop import Shop, counts


def test_the_parent_folder_can_be_the_label(shop: Shop) -> None:
    shop.index("parent")
    assert shop.labels() == {"a.bmp": "shop", "b.bmp": "shop", "sub/c.bmp": "sub"}


def test_labels_stay_when_none_are_given(shop: Shop) -> None:
    shop.index("parent")
    shop.put("a.bmp", 7)
    (shop.folder / "sub").rename(shop.folder / "elsewhere")
    shop.index()
    assert shop.labels() == {"a.bmp": "shop", "b.bmp": "shop", "elsewhere/c.bmp": "sub"}


def test_a_moved_file_gets_its_new_folders_label(shop: Shop) -> None:
    shop.index("parent")
    (shop.folder / "sub").rename(shop.folder / "bed")
    assert counts(shop.index("parent")) == {"moved": 1, "unchanged": 2}
    assert shop.labels()["bed/c.bmp"] == "bed"


@pytest.mark.parametrize("touched", [False, True])
def test_labels_can_be_given_and_taken_without_embedding(shop: Shop, touched: bool) -> None:
    shop.index()
    for label, wanted in (("parent", "sub"), ("none", None)):
        if touched:
            os.utime(shop.folder / "sub" / "c.bmp")
        assert shop.index(label).embedded == 0
        assert shop.opened == (["sub/c.bmp"] if touched else [])
        assert shop.labels()["sub/c.bmp"] == wanted


def test_a_table_gives_labels_to_the_files_it_names(shop: Shop, tmp_path: Path) -> None:
    shop.index("parent")
    table = tmp_path / "labels.csv"
    absolute = shop.folder / "b.bmp"
    table.write_text(f"path,label\nshop/a.bmp,möbel\n{absolute},\n", encoding="utf-8")
    shop.index(str(table))
    assert shop.labels() == {"a.bmp": "möbel", "b.bmp": None, "sub/c.bmp": "sub"}
