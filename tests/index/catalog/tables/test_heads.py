"""Heads, and the predictions that change with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.errors import CatalogError

MakeBatch = Callable[..., Batch]
ChangeHeads = Callable[..., None]


def test_a_new_head_and_its_predictions_arrive_together(
    catalog: Catalog, ids: list[int], change_heads: ChangeHeads
) -> None:
    change_heads(catalog, ids, "bed", put=("furniture", b"layers"))
    [head] = catalog.heads.all()
    assert (head.name, head.file) == ("furniture", b"layers")
    assert head.created_at.tzinfo is not None
    assert catalog.predictions.counts() == {"bed": 3}


def test_a_head_put_again_takes_the_place_of_the_first(
    catalog: Catalog, ids: list[int], change_heads: ChangeHeads
) -> None:
    change_heads(catalog, ids, "bed", put=("furniture", b"old"))
    change_heads(catalog, ids, "sofa", put=("furniture", b"new"))
    assert [head.file for head in catalog.heads.all()] == [b"new"]
    assert catalog.predictions.counts() == {"sofa": 3}


def test_a_forgotten_head_takes_its_predictions_along(
    catalog: Catalog, ids: list[int], change_heads: ChangeHeads
) -> None:
    change_heads(catalog, ids, "bed", put=("furniture", b"layers"))
    change_heads(catalog, ids, "quilt", delete="furniture")
    assert catalog.heads.all() == []
    assert catalog.predictions.counts() == {"quilt": 3}


def test_heads_are_listed_by_name(catalog: Catalog, change_heads: ChangeHeads) -> None:
    for name in ("wood", "art", "moss"):
        change_heads(catalog, [], name, put=(name, name.encode()))
    assert [head.name for head in catalog.heads.all()] == ["art", "moss", "wood"]


def test_a_change_that_fails_leaves_heads_and_predictions_as_they_were(
    catalog: Catalog, ids: list[int], change_heads: ChangeHeads
) -> None:
    change_heads(catalog, ids, "bed", put=("furniture", b"old"))
    nobody = max(ids) + 1
    with pytest.raises(CatalogError):
        change_heads(catalog, [*ids, nobody], "sofa", put=("furniture", b"new"), delete="furniture")
    assert [head.file for head in catalog.heads.all()] == [b"old"]
    assert catalog.predictions.counts() == {"bed": 3}


def test_a_large_head_comes_back_byte_for_byte(catalog: Catalog, change_heads: ChangeHeads) -> None:
    file = np.random.default_rng(0).bytes(3_000_000)
    change_heads(catalog, [], "bed", put=("large", file))
    assert catalog.heads.all()[0].file == file
