"""What the engine says each image is, exchanged where the heads change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select

from index.catalog.catalog import Catalog
from index.catalog.sql.schema import Category
from index.catalog.tables.images import Batch
from index.records import Ids, Named, Summary

MakeBatch = Callable[..., Batch]
ChangeHeads = Callable[..., None]


def _all(name: str, count: int) -> Named:
    return Named(
        [("furniture", name)],
        np.zeros(count, np.int64),
        np.full(count, 0.75, np.float32),
        np.zeros(count, np.bool_),
    )


def test_a_prediction_comes_back_whole(
    catalog: Catalog, ids: list[int], change_heads: ChangeHeads
) -> None:
    change_heads(catalog, ids, "bed")
    found = catalog.predictions.of(ids[:1])[ids[0]]
    assert (found.image_id, found.category, found.source) == (ids[0], "bed", "furniture")
    assert (found.probability, found.unknown) == (0.75, False)


def test_only_those_asked_for_are_told(catalog: Catalog, ids: list[int]) -> None:
    assert set(catalog.predictions.of([ids[1], 999])) == {ids[1]}


def test_the_names_are_all_that_compete_whether_or_not_an_image_has_them(
    catalog: Catalog, ids: list[int], make_batch: MakeBatch
) -> None:
    catalog.images.store(make_batch(["/d"], categories=["sofa"], unknown=[True]))
    assert sorted(catalog.predictions.names()) == ["lamp", "quilt", "sofa"]


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


def test_categories_that_no_head_gives_any_more_are_forgotten(
    catalog: Catalog, ids: list[int], change_heads: ChangeHeads
) -> None:
    change_heads(catalog, ids, "bed")
    with catalog.database.reading() as connection:
        assert connection.execute(select(Category.name)).scalars().all() == ["bed"]


def test_predictions_of_many_images_are_exchanged(
    catalog: Catalog, make_batch: MakeBatch, change_heads: ChangeHeads
) -> None:
    ids = catalog.images.store(make_batch([f"/{number}" for number in range(2000)]))
    change_heads(catalog, ids, "bed")
    assert catalog.predictions.counts() == {"bed": 2000}


def _remembered(catalog: Catalog) -> Summary:
    (span,) = catalog.embeddings.spans()
    return catalog.embeddings.in_span(span).summary


def _summary(*choices: int) -> Summary:
    logits = np.array(choices, np.float32)
    return Summary(np.array(choices, np.int64), logits, -logits)


def test_what_the_built_in_categories_say_outlives_a_change_of_heads(
    catalog: Catalog, make_batch: MakeBatch, change_heads: ChangeHeads
) -> None:
    batch = make_batch(["/a", "/b"])
    named = replace(batch.named, summary=_summary(3, 5))
    ids = catalog.images.store(replace(batch, named=named))
    change_heads(catalog, ids, "bed", put=("furniture", b"layers"))
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


def test_only_what_differs_changes(
    catalog: Catalog, ids: list[int], change_heads: ChangeHeads
) -> None:
    change_heads(catalog, ids, "bed")
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


def test_what_is_shown_of_every_visible_image(catalog: Catalog, make_batch: MakeBatch) -> None:
    ids = catalog.images.store(make_batch(["/a", "/b"], labels=["bed", None]))
    predicted = catalog.predictions.of(ids)
    expected = {each: None if one.unknown else one.category for each, one in predicted.items()}
    assert catalog.predictions.shown() == expected
    assert catalog.predictions.shown(labels=True) == {ids[0]: "bed", ids[1]: None}
    catalog.images.hide(ids[:1])
    assert list(catalog.predictions.shown()) == ids[1:]
