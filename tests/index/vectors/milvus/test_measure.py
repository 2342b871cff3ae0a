"""The effort of an approximate index is the least that finds what is promised."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import Floats, Ids
from index.sync import follow_catalog
from index.vector_address import VectorAddress
from index.vectors.milvus import sync
from index.vectors.milvus.kinds import FLAT, HNSW, Kind, choose_kind
from index.vectors.milvus.measure import EFFORTS, RECALL, measured, share_found
from tests.support.milvus import milvus_at, opened

pytestmark = pytest.mark.slow


class Sample:
    """A source of 500 vectors, of which 20 are asked for."""

    def __init__(self, unit: Floats) -> None:
        self.unit = unit
        self.count = len(unit)

    def sample(self, size: int) -> tuple[Ids, Floats]:
        return np.arange(20), self.unit[:20]

    def chunks(self, since: int | None = None) -> list[tuple[Ids, Floats]]:
        rows = np.arange(len(self.unit))
        return [(part, self.unit[part]) for part in np.array_split(rows, 7)]


@pytest.fixture
def source(likenesses: Callable[..., Floats]) -> Sample:
    """Vectors that lie as embeddings do."""
    return Sample(likenesses(500, 16))


@pytest.mark.parametrize("enough", [64, 512, 4096])
def test_the_least_effort_that_finds_enough_is_taken(source: Sample, enough: int) -> None:
    products = source.unit[:20] @ source.unit.T

    def found(queries: Floats, k: int, effort: int, mask: Ids | None) -> Ids:
        fits = np.isin(np.arange(500), np.arange(500) if mask is None else mask)
        nearest = np.argsort(-np.where(fits, products, -2), axis=1)[:, :10]
        return nearest if effort >= enough else np.where(np.arange(10) < 9, nearest, -1)

    assert measured(source, found) == (enough, 1.0)  # type: ignore[arg-type]


def test_what_never_finds_enough_is_told_as_it_is(source: Sample) -> None:
    effort, recall = measured(source, lambda *asked: np.full((20, 10), -1))  # type: ignore[arg-type]
    assert (effort, recall) == (EFFORTS[-1], 0.0)


def test_a_share_counts_what_is_there_to_be_found() -> None:
    assert share_found(np.array([[1, 2, -1]]), np.array([[2, 3, -1]])) == 0.5


def test_the_kind_is_chosen_by_who_keeps_it() -> None:
    assert choose_kind("auto", lite=True) == FLAT
    assert choose_kind("auto", lite=False) == HNSW
    assert choose_kind("exact", lite=False) == FLAT
    assert HNSW.searched(64, 350) == {"ef": 350}
    assert FLAT.searched(64, 350) == {}


def test_an_approximate_index_is_measured_when_filled_and_when_grown(
    server: VectorAddress,
    new_catalog: Callable[..., AbstractContextManager[Catalog]],
    make_batch: Callable[..., Batch],
    likenesses: Callable[..., Floats],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def chosen(asked: str, *, lite: bool) -> Kind:
        return choose_kind(asked, lite=False)

    monkeypatch.setattr(sync, "choose_kind", chosen)
    drawn = likenesses(900, 16)
    with new_catalog(dim=16, dtype="float16") as catalog:
        for start, stop, measured_on in ((0, 300, 300), (300, 450, 300), (450, 900, 900)):
            paths = [f"/{number}" for number in range(start, stop)]
            catalog.images.store(make_batch(paths, seed=start, embeddings=drawn[start:stop]))
            follow_catalog(catalog, milvus_at(catalog, tmp_path, server))
            index = opened(catalog, tmp_path, server)
            assert index._stamp is not None
            assert (index._stamp.kind, index._stamp.measured_on) == ("HNSW", measured_on)
            assert index._stamp.recall >= RECALL
        queries = likenesses(50, 16, seed=9)
        ids, vectors = catalog.embeddings.all()
        nearest = ids[np.argsort(-(queries @ vectors.unit.T), axis=1)[:, :10]]
        assert share_found(nearest, index.search(queries, 10).ids) >= RECALL
        mask = ids[::3]
        hits = index.search(queries, 10, mask).ids
        assert np.isin(hits, mask).all()
