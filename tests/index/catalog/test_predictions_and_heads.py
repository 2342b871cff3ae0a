"""Heads and predictions change together; training pictures are embedded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select

from index.catalog.catalog import Catalog
from index.catalog.images import Batch
from index.catalog.schema import Category
from index.errors import CatalogError
from index.records import Ids, Named, Summary, Vectors

MakeBatch = Callable[..., Batch]


@pytest.fixture
def ids(catalog: Catalog, make_batch: MakeBatch) -> list[int]:
    """Three images: two quilts and a lamp."""
    batch = make_batch(["/a", "/b", "/c"], categories=["quilt", "lamp", "quilt"])
    return catalog.images.store(batch)


def _all(name: str, count: int, source: str = "furniture") -> Named:
    return Named(
        [(source, name)],
        np.zeros(count, np.int64),
        np.full(count, 0.75, np.float32),
        np.zeros(count, np.bool_),
    )


def _change(
    catalog: Catalog,
    ids: list[int],
    name: str,
    *,
    put: tuple[str, bytes] | None = None,
    delete: str | None = None,
) -> None:
    named = _all(name, len(ids))
    parts = [(np.array(ids, np.int64), named)]
    catalog.change_heads(put=put, delete=delete, names=named.names, parts=parts)


def test_a_prediction_comes_back_whole(catalog: Catalog, ids: list[int]) -> None:
    _change(catalog, ids, "bed")
    found = catalog.predictions.of(ids[:1])[ids[0]]
    assert (found.image_id, found.category, found.source) == (ids[0], "bed", "furniture")
    assert (found.probability, found.unknown) == (0.75, False)


def test_only_those_asked_for_are_told(catalog: Catalog, ids: list[int]) -> None:
    assert set(catalog.predictions.of([ids[1], 999])) == {ids[1]}


def test_counts_begin_with_the_most_frequent(catalog: Catalog, ids: list[int]) -> None:
    assert list(catalog.predictions.counts().items()) == [("quilt", 2), ("lamp", 1)]


def test_counts_leave_out_gone_and_unknown_images(
    catalog: Catalog, ids: list[int], make_batch: MakeBatch
) -> None:
    catalog.images.store(make_batch(["/d"], categories=["lamp"], unknown=[True]))
    catalog.images.hide(ids[:1])
    assert catalog.predictions.counts() == {"lamp": 1, "quilt": 1}


def test_one_name_from_two_sources_is_two_categories(catalog: Catalog, ids: list[int]) -> None:
    named = Named(
        [("imagenet", "quilt"), ("furniture", "quilt")],
        np.array([0, 1, 1]),
        np.ones(3, np.float32),
        np.zeros(3, np.bool_),
    )
    parts = [(np.array(ids), named)]
    catalog.change_heads(put=None, delete=None, names=named.names, parts=parts)
    sources = [catalog.predictions.of(ids)[key].source for key in ids]
    assert sources == ["imagenet", "furniture", "furniture"]
    assert catalog.predictions.counts() == {"quilt": 3}


def test_a_new_head_and_its_predictions_arrive_together(catalog: Catalog, ids: list[int]) -> None:
    _change(catalog, ids, "bed", put=("furniture", b"layers"))
    [head] = catalog.heads.all()
    assert (head.name, head.file) == ("furniture", b"layers")
    assert head.created_at.tzinfo is not None
    assert catalog.predictions.counts() == {"bed": 3}


def test_a_head_put_again_takes_the_place_of_the_first(catalog: Catalog, ids: list[int]) -> None:
    _change(catalog, ids, "bed", put=("furniture", b"old"))
    _change(catalog, ids, "sofa", put=("furniture", b"new"))
    assert [head.file for head in catalog.heads.all()] == [b"new"]
    assert catalog.predictions.counts() == {"sofa": 3}


def test_a_forgotten_head_takes_its_predictions_along(catalog: Catalog, ids: list[int]) -> None:
    _change(catalog, ids, "bed", put=("furniture", b"layers"))
    _change(catalog, ids, "quilt", delete="furniture")
    assert catalog.heads.all() == []
    assert catalog.predictions.counts() == {"quilt": 3}


def test_categories_that_no_head_gives_any_more_are_forgotten(
    catalog: Catalog, ids: list[int]
) -> None:
    _change(catalog, ids, "bed")
    with catalog.database.reading() as connection:
        assert connection.execute(select(Category.name)).scalars().all() == ["bed"]


def test_heads_are_listed_by_name(catalog: Catalog) -> None:
    for name in ("wood", "art", "moss"):
        _change(catalog, [], name, put=(name, name.encode()))
    assert [head.name for head in catalog.heads.all()] == ["art", "moss", "wood"]


def test_a_change_that_fails_leaves_heads_and_predictions_as_they_were(
    catalog: Catalog, ids: list[int]
) -> None:
    _change(catalog, ids, "bed", put=("furniture", b"old"))
    nobody = max(ids) + 1
    with pytest.raises(CatalogError):
        _change(catalog, [*ids, nobody], "sofa", put=("furniture", b"new"), delete="furniture")
    assert [head.file for head in catalog.heads.all()] == [b"old"]
    assert catalog.predictions.counts() == {"bed": 3}


def test_a_large_head_comes_back_byte_for_byte(catalog: Catalog) -> None:
    file = np.random.default_rng(0).bytes(3_000_000)
    _change(catalog, [], "bed", put=("large", file))
    assert catalog.heads.all()[0].file == file


def test_predictions_of_many_images_are_exchanged(catalog: Catalog, make_batch: MakeBatch) -> None:
    ids = catalog.images.store(make_batch([f"/{number}" for number in range(2000)]))
    _change(catalog, ids, "bed")
    assert catalog.predictions.counts() == {"bed": 2000}


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


def _remembered(catalog: Catalog) -> Summary:
    (span,) = catalog.embeddings.spans()
    return catalog.embeddings.within(span).summary


def _summary(*choices: int) -> Summary:
    numbers = np.array(choices, np.float32)
    return Summary(np.array(choices, np.int64), numbers, -numbers)


def test_what_the_built_in_categories_say_outlives_a_change_of_heads(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    batch = make_batch(["/a", "/b"])
    named = replace(batch.named, summary=_summary(3, 5))
    ids = catalog.images.store(replace(batch, named=named))
    _change(catalog, ids, "bed", put=("furniture", b"layers"))
    assert _remembered(catalog).choice.tolist() == [3, 5]


def test_a_change_of_heads_can_bring_what_was_not_remembered(
    catalog: Catalog, ids: list[int]
) -> None:
    assert not _remembered(catalog).complete
    named = replace(_all("bed", 3), summary=_summary(3, 5, 7))
    parts = [(np.array(ids), named)]
    catalog.change_heads(put=None, delete=None, names=named.names, parts=parts)
    assert _remembered(catalog).logit.tolist() == [3, 5, 7]


def test_an_image_of_new_content_forgets_what_was_said_of_the_old(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    batch = make_batch(["/a"])
    ids = catalog.images.store(replace(batch, named=replace(batch.named, summary=_summary(3))))
    catalog.images.store(make_batch(["/a"], ids=ids, seed=1, probability=0.25))
    assert not _remembered(catalog).complete
    assert catalog.predictions.of(ids)[ids[0]].probability == 0.25


def test_only_what_differs_changes(catalog: Catalog, ids: list[int]) -> None:
    _change(catalog, ids, "bed")
    named = Named(
        [("furniture", "bed"), ("furniture", "sofa")],
        np.array([0, 1, 0]),
        np.array([0.75, 0.75, 0.5], np.float32),
        np.array([False, False, True]),
    )
    parts = [(np.array(ids), named)]
    catalog.change_heads(put=None, delete=None, names=named.names, parts=parts)
    found = [catalog.predictions.of(ids)[key] for key in ids]
    assert [(each.category, each.probability, each.unknown) for each in found] == [
        ("bed", 0.75, False),
        ("sofa", 0.75, False),
        ("bed", 0.5, True),
    ]


def test_parts_are_taken_one_after_the_other(catalog: Catalog, ids: list[int]) -> None:
    named = _all("bed", 1)
    parts = ((np.array([key]), named) for key in ids)
    catalog.change_heads(put=None, delete=None, names=named.names, parts=parts)
    assert catalog.predictions.counts() == {"bed": 3}


def test_parts_that_fail_halfway_leave_predictions_as_they_were(
    catalog: Catalog, ids: list[int]
) -> None:
    named = _all("bed", 1)

    def parts() -> Iterator[tuple[Ids, Named]]:
        yield np.array(ids[:1]), named
        raise RuntimeError("the disk of embeddings is gone")

    with pytest.raises(RuntimeError):
        catalog.change_heads(put=("new", b""), delete=None, names=named.names, parts=parts())
    assert catalog.predictions.counts() == {"quilt": 2, "lamp": 1}
    assert catalog.heads.all() == []
