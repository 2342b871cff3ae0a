"""Scores of answers come from the catalog, whatever has become of the index's codes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.search.ranking import FUSED, Ranked
from engine.search.verify import verified
from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.errors import IndexDamagedError
from index.records import CatalogIdentity, FileState, Floats, ImageFacts, Named, Vectors


class Codes:
    """What `verified` asks of an index."""

    approximate = True

    def __init__(self, *, from_disk: bool = True, coarse: bool = False) -> None:
        self.from_disk = from_disk
        self.coarse = coarse


INDEX: Any = Codes()
COARSE: Any = Codes(coarse=True)


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


QUERY: Floats = np.array([0.8, 0.6, 0, 0], np.float32)


def _hits(*found: tuple[int, float]) -> Ranked:
    scores = np.array([score for _, score in found], np.float32)
    return Ranked(np.array([image for image, _ in found], np.int64), scores, scores, 1.0)


def test_scores_are_those_of_the_stored_vectors(catalog: Catalog) -> None:
    found, damaged = verified(catalog, INDEX, QUERY, _hits((1, 0.79), (2, 0.63), (3, 0.01)))
    assert found.ids.tolist() == [1, 2, 3]
    np.testing.assert_allclose(found.scores, [0.8, 0.6, 0], atol=1e-3)
    np.testing.assert_array_equal(found.rank_scores, found.scores)
    assert damaged == []


def test_hits_are_put_in_the_order_of_these_scores(catalog: Catalog) -> None:
    found, damaged = verified(catalog, INDEX, QUERY, _hits((2, 0.69), (1, 0.71)))
    assert (found.ids.tolist(), damaged) == ([1, 2], [])


def test_a_fused_order_changes_by_as_much_as_the_scores_in_it(catalog: Catalog) -> None:
    """Its plain part, three tenths, is corrected; the rest stays."""
    ids, scores = np.array([2, 1]), np.array([0.61, 0.79], np.float32)
    ranked = Ranked(ids, scores, np.array([0.502, 0.5], np.float32), 0.8, FUSED)
    found, _ = verified(catalog, INDEX, QUERY, ranked)
    assert (found.ids.tolist(), found.order) == ([1, 2], FUSED)
    np.testing.assert_allclose(found.rank_scores, [0.503, 0.499], atol=1e-3)


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
    np.testing.assert_allclose(found.scores, [0.8, 0.61], atol=1e-3)
    assert damaged == [2]


def test_an_index_that_was_just_built_is_not_damaged(catalog: Catalog) -> None:
    """Else codes that are too coarse would have it built anew for ever."""
    index: Any = Codes(from_disk=False)
    found, damaged = verified(catalog, index, QUERY, _hits((1, 0.5), (2, 0.95)))
    assert (found.ids.tolist(), damaged) == ([1, 2], [])


def test_a_coarse_code_may_be_further_off(catalog: Catalog) -> None:
    found, damaged = verified(catalog, COARSE, QUERY, _hits((1, 0.5), (2, 0.4)))
    assert (found.ids.tolist(), damaged) == ([1, 2], [])
    np.testing.assert_allclose(found.scores, [0.8, 0.6], atol=1e-3)
    with pytest.raises(IndexDamagedError, match="another vector"):
        verified(catalog, COARSE, QUERY, _hits((1, 0.2)))
