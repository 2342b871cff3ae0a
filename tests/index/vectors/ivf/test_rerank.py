"""Reranking is held against FAISS's own decoding of the same codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pytest

from index.records import Floats
from index.vectors.faiss_api import inner_products
from index.vectors.ivf.rerank import BLOCK, Codes

DIM = 32
Likenesses = Callable[..., Floats]


def _stored(unit: Floats, refine: str) -> Any:
    stored = faiss.index_factory(unit.shape[1], refine, faiss.METRIC_INNER_PRODUCT)
    stored.train(unit)
    stored.add(unit)
    return stored


@pytest.mark.parametrize("refine", ["SQ8", "SQ6", "SQ4"])
def test_cosines_are_those_of_the_decoded_vectors(likenesses: Likenesses, refine: str) -> None:
    unit, queries = likenesses(500, DIM), likenesses(2, DIM, seed=1)
    stored = _stored(unit, refine)
    decoded = stored.reconstruct_n(0, len(unit))
    inverse = (1 / np.linalg.norm(decoded, axis=1)).astype(np.float32)
    positions = np.array([[3, 499, 0, 3, 77], [1, 2, 3, 4, 5]])
    codes = Codes(stored, inverse)
    cosines = codes.cosines(queries, positions)
    expected = np.einsum("nmd,nd->nm", decoded[positions], queries) * inverse[positions]
    np.testing.assert_allclose(cosines, expected, rtol=0, atol=1e-6)
    assert f"SQ{codes.bits}" == refine


def test_more_are_compared_than_are_unpacked_at_once(likenesses: Likenesses) -> None:
    unit, query = likenesses(64, 8), likenesses(1, 8, seed=1)
    codes = Codes(_stored(unit, "SQ8"), np.ones(64, np.float32))
    positions = np.random.default_rng(0).integers(0, 64, (1, 2 * BLOCK + 5))
    each = np.array([codes.cosines(query, np.array([[position]]))[0, 0] for position in range(64)])
    np.testing.assert_allclose(codes.cosines(query, positions), each[positions], rtol=0, atol=1e-6)


def test_none_are_compared_with_nothing(likenesses: Likenesses) -> None:
    codes = Codes(_stored(likenesses(64, 8), "SQ8"), np.ones(64, np.float32))
    assert codes.cosines(np.ones((2, 8), np.float32), np.zeros((2, 0), np.int64)).shape == (2, 0)


def test_vectors_that_were_added_later_are_compared_too(likenesses: Likenesses) -> None:
    unit, more = likenesses(64, 8), likenesses(5000, 8, seed=1)
    stored = _stored(unit, "SQ8")
    codes = Codes(stored, np.ones(64 + 5000, np.float32))
    codes.cosines(unit[:1], np.arange(64)[None])
    stored.add(more)
    cosines = codes.cosines(more[17:18], np.array([[64 + 17]]))
    assert cosines[0, 0] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (3, 7), (100, 1280)])
def test_inner_products_are_those_of_numpy(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=shape).astype(np.float32)
    vector = rng.normal(size=shape[1]).astype(np.float32)
    np.testing.assert_allclose(inner_products(rows, vector), rows @ vector, rtol=1e-4, atol=1e-3)
