"""Scores of answers come from the catalog, whatever has become of the index's codes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.search.verify import verified
from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.errors import IndexDamagedError
from index.records import CatalogIdentity, FileState, Floats, ImageFacts, Named, Vectors
from index.vectors.index import Hits


class Codes:
    """What `verified` asks of an index."""

    approximate = True

    def __init__(self, *, from_disk: bool = True) -> None:
        self.from_disk = from_disk


INDEX: Any = Codes()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Three images, whose vectors stand at right angles."""
    facts = [ImageFacts(FileState(f"/{name}", 1, 2), 3, name, 1, 1, "PNG", None) for name in "abc"]
    named = Named([("imagenet", "bed")], np.zeros(3, np.int64), np.ones(3), np.zeros(3, np.bool_))
    unit = np.eye(4, dtype=np.float32)[:3]
    identity = CatalogIdentity("fake", "f" * 64, 4, "float32", "fp32")
    with Catalog.create(tmp_path / "catalog.sqlite", identity) as made:
        made.images.store(Batch([None] * 3, facts, Vectors(unit, np.ones(3, np.float32)), named))
        yield made


QUERY: Floats = np.array([[0.8, 0.6, 0, 0]], np.float32)


def _hits(*found: tuple[int, float]) -> Hits:
    ids = np.array([[image for image, _ in found]], np.int64)
    return Hits(np.array([[score for _, score in found]], np.float32), ids)


def test_scores_are_those_of_the_stored_vectors(catalog: Catalog) -> None:
    found, damaged = verified(
        catalog, INDEX, QUERY, _hits((1, 0.79), (2, 0.63), (3, 0.01), (-1, -1.0))
    )
    assert found.ids.tolist() == [[1, 2, 3, -1]]
    np.testing.assert_allclose(found.scores, [[0.8, 0.6, 0, -1]], atol=1e-3)
    assert damaged == []


def test_hits_are_put_in_the_order_of_these_scores(catalog: Catalog) -> None:
    found, damaged = verified(catalog, INDEX, QUERY, _hits((2, 0.69), (1, 0.71)))
    assert (found.ids.tolist(), damaged) == ([[1, 2]], [])


@pytest.mark.parametrize("score", [0.95, -0.3, float("nan"), float("inf")])
def test_a_score_that_is_far_off_means_that_the_index_is_damaged(
    catalog: Catalog, score: float
) -> None:
    with pytest.raises(IndexDamagedError, match="another vector"):
        verified(catalog, INDEX, QUERY, _hits((1, 0.8), (2, score)))


def test_an_image_whose_stored_vector_is_damaged_keeps_the_score_of_its_code(
    catalog: Catalog,
) -> None:
    with catalog.database.writing() as connection:
        connection.exec_driver_sql("UPDATE embeddings SET norm = 7 WHERE image_id = 2")
    found, damaged = verified(catalog, INDEX, QUERY, _hits((1, 0.79), (2, 0.61)))
    np.testing.assert_allclose(found.scores, [[0.8, 0.61]], atol=1e-3)
    assert damaged == [2]


def test_an_index_that_was_just_built_is_not_damaged(catalog: Catalog) -> None:
    """Else codes that are too coarse would have it built anew for ever."""
    index: Any = Codes(from_disk=False)
    found, damaged = verified(catalog, index, QUERY, _hits((1, 0.5), (2, 0.95)))
    assert (found.ids.tolist(), damaged) == ([[1, 2]], [])
