"""The folders that were indexed, as the catalog remembers them."""

from __future__ import annotations

import os

from index.catalog.catalog import Catalog
from index.catalog.tables.folders import FolderList


def test_a_new_catalog_has_none(catalog: Catalog) -> None:
    assert catalog.folders.all() == []


def test_the_last_one_comes_first_and_each_stands_once(catalog: Catalog) -> None:
    for folder in ("/a", "/b", "/a"):
        catalog.folders.add([folder])
    assert catalog.folders.all() == ["/a", "/b"]


def test_a_folder_in_another_is_left_out(catalog: Catalog) -> None:
    catalog.folders.add(["/a/b", "/a b"])
    catalog.folders.add(["/a"])
    catalog.folders.add(["/a/c"])
    assert catalog.folders.all() == ["/a", "/a b"]
    catalog.folders.add(["/"])
    assert catalog.folders.all() == ["/"]


def test_a_name_that_is_no_text_comes_back_as_it_is(catalog: Catalog) -> None:
    catalog.folders.add([os.fsdecode(b"/st\xfchle")])
    assert [os.fsencode(folder) for folder in catalog.folders.all()] == [b"/st\xfchle"]


def test_what_lies_at_or_below_a_path_is_forgotten(catalog: Catalog) -> None:
    catalog.folders.add(["/a/b", "/a/c", "/ab"])
    catalog.folders.forget(["/a"])
    assert catalog.folders.all() == ["/ab"]


def test_no_more_than_so_many_are_remembered(catalog: Catalog) -> None:
    few = FolderList(catalog.database, most=2)
    for folder in ("/a", "/b", "/c"):
        few.add([folder])
    assert few.all() == ["/c", "/b"]
