"""A flat index is searched exactly."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from index.vectors.flat import (
    BLOCK,
    MANY_QUERIES,
    QUERIES_AT_A_TIME,
    UNPACKED_ROWS,
    Flat,
)

DIM = 6
DTYPES = ["float16", "float32"]


def test_another_kind_of_index_is_refused() -> None:
    with pytest.raises(ValueError, match="IndexFlatIP is no flat index under ids"):
        Flat(faiss.IndexFlatIP(DIM))


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_vectors_come_in_blocks(dtype: str) -> None:
    count = BLOCK + 3
    unit = np.random.default_rng(0).normal(size=(count, DIM)).astype(dtype).astype(np.float32)
    ids = np.arange(5, 10 * count, 10, dtype=np.int64)
    flat = Flat.empty(DIM, dtype)
    flat.add(ids, unit)
    blocks = list(flat.blocks())
    assert [len(block) for block, _ in blocks] == [BLOCK, 3]
    assert np.concatenate([block for block, _ in blocks]).tolist() == ids.tolist()
    assert np.array_equal(np.concatenate([vectors for _, vectors in blocks]), unit)


def test_of_nothing_there_is_no_block() -> None:
    assert list(Flat.empty(DIM, "float32").blocks()) == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_with_codes_are_those_with_the_vectors(dtype: str) -> None:
    random = np.random.default_rng(3)
    flat = Flat.empty(DIM, dtype)
    flat.add(np.arange(7, 307), random.normal(size=(300, DIM)).astype(np.float32))
    query = random.normal(size=DIM).astype(np.float32)
    for count in (0, 1, 64, 65, 299, 300):
        positions = random.permutation(300)[:count]
        unpacked = flat.products(positions, query, few=300)
        in_place = flat.products(positions, query, few=0)
        np.testing.assert_allclose(in_place, unpacked, rtol=0, atol=2e-6)
        np.testing.assert_allclose(unpacked, flat.vectors(positions) @ query, rtol=0, atol=2e-6)


def test_products_with_a_vector_that_is_no_number_are_the_least() -> None:
    flat = Flat.empty(DIM, "float32")
    rows = np.eye(DIM, dtype=np.float32)
    rows[2] = np.nan
    flat.add(np.arange(DIM), rows)
    products = flat.products(np.arange(DIM), np.ones(DIM, np.float32), few=0)
    assert products.tolist() == [1, 1, -1, 1, 1, 1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("k", "count"), [(1, 2 * BLOCK + 7), (21, BLOCK + 7), (600, 500)])
def test_many_queries_find_what_numpy_finds(dtype: str, k: int, count: int) -> None:
    rng = np.random.default_rng(k)
    stored = rng.normal(size=(count, DIM)).astype(dtype).astype(np.float32)
    ids = rng.permutation(3 * count)[:count].astype(np.int64)
    queries = rng.normal(size=(MANY_QUERIES, DIM)).astype(np.float32)
    index = Flat.empty(DIM, dtype)
    index.add(ids, stored)
    scores, found = index.search(queries, k)
    products = queries.astype(np.float64) @ stored.astype(np.float64).T
    best = -np.sort(-products, axis=1)[:, :k]
    there = min(k, count)
    assert scores[:, :there] == pytest.approx(best, abs=1e-5)
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids, found[:, :there], sorter=order)]
    assert np.take_along_axis(products, rows, axis=1) == pytest.approx(best, abs=1e-5)
    assert (found[:, there:] == -1).all() and (scores[:, there:] == -1).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_queries_find_what_few_find(dtype: str) -> None:
    rng = np.random.default_rng(0)
    index = Flat.empty(DIM, dtype)
    index.add(np.arange(900), rng.normal(size=(900, DIM)).astype(np.float32))
    queries = rng.normal(size=(MANY_QUERIES, DIM)).astype(np.float32)
    scores, ids = index.search(queries, 5)
    few = [index.search(queries[start : start + 2], 5) for start in range(0, len(queries), 2)]
    assert scores == pytest.approx(np.concatenate([each[0] for each in few]), abs=1e-5)
    assert ids.tolist() == np.concatenate([each[1] for each in few]).tolist()


def test_many_queries_find_nothing_that_is_no_number() -> None:
    index = Flat.empty(DIM, "float32")
    index.add(np.arange(3), np.stack([np.full(DIM, np.nan), np.ones(DIM), np.zeros(DIM)]))
    _, ids = index.search(np.ones((MANY_QUERIES, DIM), np.float32), 3)
    assert ids.tolist() == [[1, 2, -1]] * MANY_QUERIES


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [5, 21, 1500])
def test_of_equal_ones_many_queries_find_those_that_came_first(dtype: str, k: int) -> None:
    kind = np.arange(3 * UNPACKED_ROWS) % DIM
    index = Flat.empty(DIM, dtype)
    ids = 7 + 2 * np.arange(len(kind))[::-1].copy()
    index.add(ids, np.eye(DIM, dtype=np.float32)[kind])
    asked = np.arange(MANY_QUERIES) % DIM
    _, found = index.search(np.eye(DIM, dtype=np.float32)[asked], k)
    equal = {each: ids[kind == each][:k].tolist() for each in range(DIM)}
    for each, row in zip(asked.tolist(), found.tolist(), strict=True):
        assert row[: len(equal[each])] == equal[each]


def test_more_queries_than_are_put_in_order_at_a_time_find_the_same() -> None:
    rng = np.random.default_rng(0)
    index = Flat.empty(DIM, "float32")
    index.add(np.arange(50), rng.normal(size=(50, DIM)).astype(np.float32))
    queries = rng.normal(size=(QUERIES_AT_A_TIME + MANY_QUERIES, DIM)).astype(np.float32)
    scores, ids = index.search(queries, 3)
    parts = [index.search(part, 3) for part in np.split(queries, [MANY_QUERIES])]
    assert scores.tolist() == np.concatenate([each[0] for each in parts]).tolist()
    assert ids.tolist() == np.concatenate([each[1] for each in parts]).tolist()
