"""Ranks of some images are those that all vectors give, however few vectors were read at first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.search.surroundings import Surroundings, highest
from index.records import Floats, Ids
from index.state import CatalogState
from index.vectors.choose import Plan
from index.vectors.faiss_index import FaissIndex
from index.vectors.graph import build_graph
from index.vectors.ivf.build import BuildLimits, build_segment
from tests.support.augmented import unit

DIM, COUNT = 32, 600
IDS: Ids = 5 * np.arange(COUNT, dtype=np.int64)
VECTORS = unit(
    np.random.default_rng(3).normal(size=(40, DIM))[np.arange(COUNT) % 40]
    + 0.7 * np.random.default_rng(4).normal(size=(COUNT, DIM))
)
QUERIES = unit(VECTORS[:20] + np.random.default_rng(5).normal(0, 0.1, (20, DIM)).astype(np.float32))


@pytest.fixture(scope="module", params=["exact", "coded"])
def index(request: pytest.FixtureRequest) -> FaissIndex:
    """An index of them, arranged; not to be changed."""
    index = exact = FaissIndex(Path("nowhere"), DIM, "float32")
    exact.add(IDS, VECTORS)
    if request.param == "coded":
        index = FaissIndex(Path("nowhere"), DIM, "float32")
        half = (IDS[:400], VECTORS[:400])
        plan = Plan(lists=16, scan_dim=DIM, refine="SQ8")
        index.segment = build_segment(plan, half, [half], limits=BuildLimits(50))
        index.add(IDS[400:], VECTORS[400:])
    index.graph = build_graph(exact, [(IDS, VECTORS)], CatalogState("c" * 32, 1, "t" * 32))
    return index


def _around(index: FaissIndex, query: Floats, rows: Ids, count: int = COUNT) -> Surroundings:
    assert index.graph is not None
    return Surroundings(index, index.graph, IDS[rows], query, count)


def _held(index: FaissIndex) -> tuple[Floats, Floats]:
    """Return all vectors as the index holds them, and all augmented vectors made of these."""
    assert index.graph is not None
    vectors = index.vectors(IDS)
    neighbours, weights, lengths = index.graph.weighted(IDS)
    total = vectors + np.einsum("ij,ijd->id", weights, vectors[neighbours // 5])
    return vectors, total / lengths[:, None]


def test_ranks_are_those_of_all_vectors_though_few_were_read(index: FaissIndex) -> None:
    vectors, others = _held(index)
    rng = np.random.default_rng(6)
    for query, expanded in zip(QUERIES, QUERIES[::-1], strict=True):
        # Hardly any neighbour of these is among them.
        rows = np.sort(rng.choice(COUNT, 30, replace=False))
        around = _around(index, query, rows)
        np.testing.assert_allclose(around.cosines, vectors[rows] @ query, atol=1e-5)
        some, ranks = around.ranks(expanded, 0.3, -np.inf, 12, same=2)
        true = 0.3 * (vectors @ query) + 0.7 * (others @ expanded)
        np.testing.assert_allclose(ranks, true[around.ids[some] // 5], atol=1e-5)


def test_a_query_takes_up_the_augmented_vectors_nearest_to_it(index: FaissIndex) -> None:
    _, others = _held(index)
    rng = np.random.default_rng(7)
    for query in QUERIES:
        rows = np.sort(rng.choice(COUNT, 60, replace=False))
        products = others[rows] @ query
        nearest = np.argsort(-products)[:5]
        weights = np.maximum(products[nearest], 0) ** 3
        wanted = unit(query + weights @ others[rows[nearest]])
        found = _around(index, query, rows).expanded(5, 3.0, 60)
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_those_of_the_highest_cosine_count(index: FaissIndex) -> None:
    around = _around(index, QUERIES[0], np.arange(COUNT), 25)
    wanted = IDS[np.argsort(-(VECTORS @ QUERIES[0]))[:25]]
    assert len(set(around.ids.tolist()) & set(wanted.tolist())) >= 24
    assert np.all(np.diff(around.ids) > 0)


def test_what_is_below_the_least_cosine_has_no_rank(index: FaissIndex) -> None:
    around = _around(index, QUERIES[0], np.arange(COUNT))
    some, ranks = around.ranks(QUERIES[0], 0.3, 0.5, COUNT, same=2)
    assert around.cosines[some].min() >= 0.5
    assert len(some) == len(ranks) == (around.cosines >= 0.5).sum()


@pytest.mark.parametrize("count", [1, 3, 9, 10, 11])
def test_the_highest_are_as_many_as_there_are(count: int) -> None:
    values = np.random.default_rng(8).random(10)
    found = highest(values, count)
    assert sorted(values[found]) == sorted(values)[10 - min(count, 10) :]
