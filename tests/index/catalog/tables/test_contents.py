"""Which images hold the same content, on every database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import FileState, ImageFacts

MakeBatch = Callable[..., Batch]


def test_the_oldest_image_of_a_content_is_the_first(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    ids = catalog.images.store(make_batch(["/b", "/other", "/a"], hashes=["h", "i", "h"]))
    assert catalog.contents.first("h") == ids[0]


def test_the_first_image_of_a_content_may_be_gone(catalog: Catalog, make_batch: MakeBatch) -> None:
    ids = catalog.images.store(make_batch(["/b", "/a"], hashes=["h", "h"]))
    catalog.images.hide(ids[:1])
    assert catalog.contents.first("h") == ids[0]


def test_a_content_that_no_image_has_has_no_first(catalog: Catalog) -> None:
    assert catalog.contents.first("h") is None


def test_copies_are_the_images_whose_content_another_has(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    hashes = ["h", "alone", "i", "h", "i"]
    ids = catalog.images.store(make_batch(["/e", "/d", "/c", "/b", "/a"], hashes=hashes))
    assert list(catalog.contents.copies()) == [ids[0], ids[2], ids[3], ids[4]]


def test_an_image_is_no_copy_of_one_that_is_gone(catalog: Catalog, make_batch: MakeBatch) -> None:
    ids = catalog.images.store(make_batch(["/a", "/b"], hashes=["h", "h"]))
    catalog.images.hide(ids[:1])
    assert catalog.contents.copies() == {}


@pytest.mark.parametrize("path", ["/a.jpg", "/\udce9.jpg"])
def test_what_was_read_of_an_image_comes_back(
    catalog: Catalog, make_batch: MakeBatch, path: str
) -> None:
    [key] = catalog.images.store(make_batch([path], hashes=["h"], labels=["bed"]))
    facts = ImageFacts(FileState(path, 1000, 2**62), 3, "h", 640, 480, "JPEG", "bed")
    assert catalog.contents.facts([key, key + 1]) == {key: facts}


def test_of_many_images_all_facts_are_read(catalog: Catalog, make_batch: MakeBatch) -> None:
    ids = catalog.images.store(make_batch([f"/{number}" for number in range(2000)]))
    assert sorted(catalog.contents.facts(ids)) == ids


def test_visible_images_of_some_contents_are_found(catalog: Catalog, make_batch: MakeBatch) -> None:
    ids = catalog.images.store(make_batch(["/a", "/b", "/c"], hashes=["h", "i", "h"]))
    catalog.images.hide(ids[:1])
    assert catalog.contents.of_contents(["h", "none"]) == {ids[2]: "h"}


def test_pairs_that_are_distinct_are_remembered_in_one_order(catalog: Catalog) -> None:
    at = catalog.contents.add_distinct([("i", "h"), ("h", "i"), ("k", "k")])
    assert catalog.contents.distinct_pairs() == {("h", "i"): at, ("k", "k"): at}


def test_each_act_of_remembering_is_taken_back_by_itself(catalog: Catalog) -> None:
    first = catalog.contents.add_distinct([("h", "i")])
    second = catalog.contents.add_distinct([("h", "i"), ("h", "k")])
    assert first is not None and second is not None and first < second
    assert catalog.contents.add_distinct([("i", "h")]) is None
    assert catalog.contents.forget_distinct(first) == 1
    assert catalog.contents.forget_distinct(first) == 0
    assert catalog.contents.distinct_pairs() == {("h", "k"): second}
