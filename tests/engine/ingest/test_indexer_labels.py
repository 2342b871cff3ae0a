"""Indexing: labels are given, kept and taken, without opening what is known."""

from __future__ import annotations

import os
import unicodedata
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


def test_labels_that_changed_are_counted_without_opening_a_file(shop: Shop) -> None:
    shop.index("parent")
    assert shop.index("parent").relabelled == 0
    report = shop.index("none")
    assert (report.unchanged, report.relabelled, shop.opened) == (3, 3, [])


def test_a_touched_or_changed_file_is_relabelled_too(shop: Shop) -> None:
    shop.index("parent")
    os.utime(shop.folder / "a.bmp")
    shop.put("b.bmp", 9)
    report = shop.index("none")
    assert (report.unchanged, report.updated, report.relabelled) == (2, 1, 3)


def test_a_new_image_is_not_relabelled(shop: Shop) -> None:
    assert shop.index("parent").relabelled == 0


def test_rows_that_no_image_used_are_in_the_report(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\nshop/a.bmp,bed\nshop/none.bmp,bed\n")
    report = shop.index(str(tmp_path / "labels.csv"))
    assert [row.path for row in report.unused_labels] == ["shop/none.bmp"]
    assert report.skipped == []


def test_a_row_of_an_image_that_cannot_be_read_is_not_unused(shop: Shop, tmp_path: Path) -> None:
    (shop.folder / "bad.bmp").write_bytes(b"BM nothing")
    (tmp_path / "labels.csv").write_text("path,label\nshop/bad.bmp,bed\n")
    report = shop.index(str(tmp_path / "labels.csv"))
    assert ([skip.path for skip in report.skipped], report.unused_labels) == (
        [str(shop.folder / "bad.bmp")],
        [],
    )


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_folder_s_label_is_found_in_either_form(shop: Shop, form: str) -> None:
    folder = unicodedata.normalize("NFD" if form == "NFC" else "NFC", "fauteuil élégant")
    path = shop.put(f"{folder}/d.bmp", 4)
    shop.index("parent")
    label = unicodedata.normalize(form, "fauteuil élégant")
    for where in (f"label={label}", f"label~*{label[9:]}", f"path~*/{label}/*"):
        [hit] = shop.engine.search(path, where=[where])
        assert hit.label == "fauteuil élégant"


def test_a_label_is_spelled_as_the_catalog_has_it(shop: Shop) -> None:
    shop.put("Stuhl/d.bmp", 4)
    shop.index("parent")
    shop.put("old/STUHL/e.bmp", 5)
    shop.put(" stuhl/f.bmp", 6)
    report = shop.index("parent")
    assert report.notes == ["labels that differ in case alone are one: STUHL and stuhl as Stuhl"]
    assert [label for name, label in shop.labels().items() if "tuhl" in name.lower()] == (
        ["Stuhl"] * 3
    )
