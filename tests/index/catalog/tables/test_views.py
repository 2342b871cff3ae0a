"""Training pictures are embedded once, and forgotten when nobody can learn from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.errors import CatalogError
from index.records import Vectors

MakeBatch = Callable[..., Batch]
ChangeHeads = Callable[..., None]


def _views(count: int, seed: int) -> Vectors:
    rng = np.random.default_rng(seed)
    return Vectors.of(rng.normal(0, 3, (count, 8)).astype(np.float32))


def test_a_view_is_found_by_its_content_and_name(catalog: Catalog) -> None:
    vectors = _views(3, 0)
    keys = [("h", "plain"), ("h", "mirrored"), ("i", "plain")]
    catalog.views.put(keys, vectors)
    found = catalog.views.get(["h", "nothing"])
    assert set(found) == {("h", "plain"), ("h", "mirrored")}
    assert found["h", "mirrored"].unit.tolist() == vectors.unit[1:2].tolist()
    assert found["h", "mirrored"].norm.tolist() == vectors.norm[1:2].tolist()


def test_a_view_put_twice_stays_the_first(catalog: Catalog) -> None:
    first, second = _views(1, 0), _views(2, 1)
    catalog.views.put([("h", "plain")], first)
    catalog.views.put([("h", "plain"), ("h", "mirrored")], second)
    found = catalog.views.get(["h"])
    assert found["h", "plain"].unit.tolist() == first.unit.tolist()
    assert found["h", "mirrored"].unit.tolist() == second.unit[1:].tolist()


def test_no_views_are_nothing_to_do(catalog: Catalog) -> None:
    catalog.views.put([], Vectors.empty(8))
    assert catalog.views.get([]) == {}


def test_more_views_than_one_statement_takes(catalog: Catalog) -> None:
    keys = [(f"{number:04}", "plain") for number in range(2000)]
    vectors = _views(2000, 0)
    catalog.views.put(keys, vectors)
    catalog.views.put(keys, _views(2000, 1))
    found = catalog.views.get(content for content, _ in keys)
    assert [found[key].unit[0].tolist() for key in keys] == vectors.unit.tolist()
    assert catalog.counts().views == 2000


@pytest.fixture
def two_views(catalog: Catalog) -> Catalog:
    """A catalog that holds a view of content `h` and one of content `i`."""
    catalog.views.put([("h", "plain"), ("i", "plain")], _views(2, 0))
    return catalog


def _contents(catalog: Catalog) -> set[str]:
    return {content_hash for content_hash, _ in catalog.views.get(["h", "i"])}


def test_views_go_with_the_last_head(two_views: Catalog, change_heads: ChangeHeads) -> None:
    for name in ("first", "second"):
        change_heads(two_views, [], "bed", put=(name, b""))
    change_heads(two_views, [], "bed", delete="first")
    assert _contents(two_views) == {"h", "i"}
    change_heads(two_views, [], "bed", delete="second")
    assert two_views.counts().views == 0


def test_views_stay_where_a_head_takes_the_place_of_the_only_one(
    two_views: Catalog, change_heads: ChangeHeads
) -> None:
    change_heads(two_views, [], "bed", put=("first", b""))
    change_heads(two_views, [], "bed", put=("second", b""), delete="first")
    change_heads(two_views, [], "bed", put=("second", b"new"))
    assert _contents(two_views) == {"h", "i"}


def test_views_stay_where_the_last_head_could_not_be_deleted(
    two_views: Catalog, change_heads: ChangeHeads
) -> None:
    change_heads(two_views, [], "bed", put=("first", b""))
    with pytest.raises(CatalogError):
        change_heads(two_views, [1], "bed", delete="first")
    assert _contents(two_views) == {"h", "i"}


def test_views_that_were_made_before_there_is_a_head_stay(
    two_views: Catalog, change_heads: ChangeHeads
) -> None:
    change_heads(two_views, [], "bed")
    assert _contents(two_views) == {"h", "i"}


def test_the_views_of_an_image_go_when_it_is_removed(
    two_views: Catalog, make_batch: MakeBatch, change_heads: ChangeHeads
) -> None:
    change_heads(two_views, [], "bed", put=("learned", b""))
    first, _ = two_views.images.store(make_batch(["/h.jpg", "/i.jpg"], hashes=["h", "i"]))
    two_views.images.delete([first])
    assert _contents(two_views) == {"i"}


@pytest.mark.parametrize("hidden", [False, True])
def test_the_views_of_a_content_stay_as_long_as_another_image_has_it(
    two_views: Catalog, make_batch: MakeBatch, hidden: bool
) -> None:
    first, copy = two_views.images.store(make_batch(["/a.jpg", "/b.jpg"], hashes=["h", "h"]))
    if hidden:
        two_views.images.hide([copy])
    two_views.images.delete([first])
    assert _contents(two_views) == {"h", "i"}
    two_views.images.delete([copy])
    assert _contents(two_views) == {"i"}


def test_hiding_an_image_leaves_its_views(two_views: Catalog, make_batch: MakeBatch) -> None:
    two_views.images.hide(two_views.images.store(make_batch(["/h.jpg"], hashes=["h"])))
    assert _contents(two_views) == {"h", "i"}


@pytest.mark.slow
def test_the_views_of_more_contents_than_one_statement_takes_are_deleted(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    hashes = [f"{number:04}" for number in range(2000)]
    catalog.views.put([(content, "plain") for content in hashes], _views(2000, 0))
    paths = [f"/{content}.jpg" for content in hashes]
    catalog.images.delete(catalog.images.store(make_batch(paths, hashes=hashes)))
    assert catalog.counts().views == 0
