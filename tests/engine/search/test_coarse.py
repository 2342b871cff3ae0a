"""Answers from an index of some directions are compared with the catalog's vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.progress import Reporter
from engine.search.ranking import FUSED, PLAIN
from engine.search.search import Query, search
from engine.search.terms import Terms
from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Filter
from index.catalog.tables.images import Batch
from index.records import CatalogIdentity, FileState, ImageFacts, Named, Vectors
from index.state import CatalogState
from index.vectors.choose import Plan
from index.vectors.faiss_index import FaissIndex
from index.vectors.graph import build_graph
from index.vectors.ivf.build import BuildLimits, build_segment
from tests.support.augmented import unit

DIM, COUNT, K = 64, 1500, 5
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0] / np.sqrt(
    1 + np.arange(DIM)
)
CENTRES = np.random.default_rng(1).normal(size=(60, DIM))
DRAWN = CENTRES[np.arange(COUNT) % 60] + np.random.default_rng(2).normal(size=(COUNT, DIM))
VECTORS = unit((DRAWN @ TURN.T).astype(np.float32))
QUERIES = unit(
    VECTORS[:40] + np.random.default_rng(3).normal(0, 0.03, (40, DIM)).astype(np.float32)
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """A catalog of these vectors, under the ids 1 to `COUNT`."""
    identity = CatalogIdentity("fake", "f" * 64, DIM, "float32", "fp32")
    facts = [
        ImageFacts(FileState(f"/{number}", 1, 2), 3, str(number), 1, 1, "PNG", None)
        for number in range(COUNT)
    ]
    zeros = np.zeros(COUNT, np.int64)
    named = Named([("imagenet", "bed")], zeros, np.ones(COUNT), zeros.astype(np.bool_))
    path = tmp_path_factory.mktemp("coarse") / "catalog.sqlite"
    with Catalog.create(path, identity) as made:
        made.images.store(
            Batch([None] * COUNT, facts, Vectors(VECTORS, np.ones(COUNT, np.float32)), named)
        )
        yield made


@pytest.fixture(scope="module")
def index(catalog: Catalog) -> FaissIndex:
    """An index of a quarter of their directions, arranged."""
    ids, vectors = catalog.embeddings.all()
    index = FaissIndex(Path("nowhere"), DIM, "float32")
    plan = Plan(lists=16, scan_dim=8, refine="SQ8", projected_dim=16)
    sample = ids, vectors.unit
    index.segment = build_segment(plan, sample, [sample], limits=BuildLimits(100))
    index.graph = build_graph(index, [sample], CatalogState("c" * 32, 1, "t" * 32))
    return index


def _answer(catalog: Catalog, index: FaissIndex, row: int, **asked: Any) -> list[tuple[int, float]]:
    backbone = SimpleNamespace(close=None)
    embedder: Any = SimpleNamespace(backbone=backbone, reporter=Reporter())
    least = asked.pop("min_score", None)
    query = Query(K, least, None, False, Filter(), **asked)
    report = search(
        catalog, index, embedder, [], Terms(["?"], Vectors.of(QUERIES[row : row + 1])), query
    )
    return [(int(hit.path[1:]), hit.score) for hit in report.results]


@pytest.mark.slow
@pytest.mark.parametrize("rank", [PLAIN, FUSED])
def test_scores_are_the_catalogs_and_as_many_as_asked_for(
    catalog: Catalog, index: FaissIndex, rank: str
) -> None:
    for row, query in enumerate(QUERIES):
        found = _answer(catalog, index, row, rank=rank)
        assert len(found) == K
        for image, score in found:
            assert score == pytest.approx(float(VECTORS[image] @ query), abs=1e-5)


def test_more_of_the_nearest_are_found_than_codes_alone_find(
    catalog: Catalog, index: FaissIndex
) -> None:
    shares, alone = [], []
    for row, query in enumerate(QUERIES):
        nearest = set(np.argsort(-(VECTORS @ query))[:K].tolist())
        shares.append(
            len(nearest & {image for image, _ in _answer(catalog, index, row, rank=PLAIN)})
        )
        hits = index.search(query[None], K).ids[0] - 1
        alone.append(len(nearest & set(hits.tolist())))
    assert np.mean(alone) < 0.8 * K, "else nothing shows here"
    assert np.mean(shares) > np.mean(alone) + 0.15 * K


def test_hits_that_codes_make_too_low_are_not_below_the_least_score(
    catalog: Catalog, index: FaissIndex
) -> None:
    answered = 0
    for row, query in enumerate(QUERIES):
        least = float(np.sort(VECTORS @ query)[-2]) - 1e-4
        found = _answer(catalog, index, row, rank=FUSED, min_score=least)
        assert {image for image, _ in found} <= set(np.argsort(-(VECTORS @ query))[:2].tolist())
        answered += bool(found)
    assert answered >= 0.9 * len(QUERIES)
