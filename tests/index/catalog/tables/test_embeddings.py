"""Embeddings read a span at a time, or all together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import Summary

MakeBatch = Callable[..., Batch]


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    """Ten pictures of which it is known what the built-in categories say."""
    made = make_batch([f"/{number}" for number in range(10)])
    logits = np.arange(10, dtype=np.float32)
    return replace(made, named=replace(made.named, summary=Summary(np.arange(10), logits, -logits)))


@pytest.fixture
def ids(catalog: Catalog, batch: Batch) -> list[int]:
    """The ids of those ten in `catalog`."""
    return catalog.images.store(batch)


def test_spans_hold_every_embedding_once(catalog: Catalog, ids: list[int]) -> None:
    parts = [catalog.embeddings.in_span(span) for span in catalog.embeddings.spans(3)]
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert np.concatenate([part.ids for part in parts]).tolist() == ids


def test_a_span_brings_vectors_norms_and_what_is_remembered(
    catalog: Catalog, batch: Batch, ids: list[int]
) -> None:
    part = catalog.embeddings.in_span((ids[2], ids[4]))
    assert part.packed.vectors.unit.tolist() == batch.vectors.unit[2:5].tolist()
    assert part.packed.norm.tolist() == batch.vectors.norm[2:5].tolist()
    assert part.summary.choice.tolist() == [2, 3, 4]
    assert part.summary.logit.tolist() == [2, 3, 4]
    assert part.summary.log_probability.tolist() == [-2, -3, -4]


@pytest.mark.parametrize("few", [1, 3, 10, 64])
def test_a_span_copied_in_pieces_is_what_is_read_one_by_one(
    catalog: Catalog, ids: list[int], few: int
) -> None:
    part = catalog.embeddings.in_span((ids[0], ids[-1] + 5), rows_copied=few)
    singly = [catalog.embeddings.of([key])[1] for key in ids]
    assert part.ids.tolist() == ids
    assert part.packed.vectors.unit.tolist() == [each.unit[0].tolist() for each in singly]
    assert part.packed.norm.tolist() == [each.norm[0] for each in singly]


def test_gaps_between_ids_are_no_images(catalog: Catalog, ids: list[int]) -> None:
    catalog.images.delete(ids[1:9])
    parts = [catalog.embeddings.in_span(span) for span in catalog.embeddings.spans(3)]
    assert [part.ids.tolist() for part in parts] == [[ids[0]], [], [], [ids[9]]]
    assert parts[1].packed.vectors.unit.shape == (0, 8)


def test_gone_images_are_in_a_span_unless_only_visible_ones_are_wanted(
    catalog: Catalog, ids: list[int]
) -> None:
    catalog.images.hide(ids[:1])
    span = (ids[0], ids[1])
    assert catalog.embeddings.in_span(span).ids.tolist() == ids[:2]
    assert catalog.embeddings.in_span(span, visible=True).ids.tolist() == ids[1:2]


def test_an_empty_catalog_has_no_spans(catalog: Catalog) -> None:
    assert catalog.embeddings.spans() == []


def test_what_was_not_worked_out_is_missing_in_a_span(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    catalog.images.store(make_batch(["/a"]))
    (span,) = catalog.embeddings.spans()
    assert not catalog.embeddings.in_span(span).summary.complete


def test_chosen_embeddings_come_in_order_of_id(
    catalog: Catalog, batch: Batch, ids: list[int]
) -> None:
    found, vectors = catalog.embeddings.of([ids[7], ids[0], ids[7], max(ids) + 1])
    assert found.tolist() == [ids[0], ids[7]]
    assert vectors.unit.tolist() == batch.vectors.unit[[0, 7]].tolist()


def test_all_are_the_visible_ones_unless_gone_ones_are_wanted_too(
    catalog: Catalog, ids: list[int]
) -> None:
    catalog.images.hide(ids[3:5])
    assert catalog.embeddings.all()[0].tolist() == ids[:3] + ids[5:]
    assert catalog.embeddings.all(gone_too=True)[0].tolist() == ids


def test_more_rows_than_are_read_at_once(
    new_catalog: Callable[..., AbstractContextManager[Catalog]], make_batch: MakeBatch
) -> None:
    with new_catalog(dtype="float16") as catalog:
        batch = make_batch([f"/{number}" for number in range(1200)])
        ids = catalog.images.store(batch)
        found, vectors = catalog.embeddings.all()
        assert found.tolist() == ids
        assert np.array_equal(vectors.unit, batch.vectors.unit.astype(np.float16))
        assert np.array_equal(catalog.embeddings.of(ids)[1].unit, vectors.unit)
