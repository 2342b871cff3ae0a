"""The whole of a search by id, held against the plain way: all vectors, compared one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Engine, SearchReport
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Filter
from index.catalog.tables.images import Batch
from index.records import FileState, Floats, Ids, ImageFacts, Named, Vectors
from index.vectors.faiss_api import inner_products
from index.vectors.flat import Flat

COUNT, DIM, GROUPS = 400, 48, 12
LABELS = ("bed", "lamp", None)
WHERE: list[list[str]] = [[], ["label=bed"], ["width>=500"], ["label!=lamp", "width<900"]]


def _batch(first: int, count: int, seed: int) -> Batch:
    """Return images around some centres: an index of them has neighbours worth the name."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(GROUPS, DIM))
    drawn = centres[random.integers(0, GROUPS, count)] + 0.4 * random.normal(size=(count, DIM))
    facts = [
        ImageFacts(
            FileState(f"/made/{number:05d}.jpg", 1, 1),
            1,
            f"{number:064x}",
            int(random.integers(100, 1000)),
            100,
            "JPEG",
            LABELS[int(random.integers(len(LABELS)))],
        )
        for number in range(first, first + count)
    ]
    zeros = (np.zeros(count, kind) for kind in (np.int64, np.float32, np.bool_))
    vectors = Vectors.of(drawn.astype(np.float32))
    return Batch([None] * count, facts, vectors, Named([("imagenet", "thing")], *zeros))


@pytest.fixture(params=["float16", "float32"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """A store of made-up images whose index is arranged."""
    config = Config.at(tmp_path / "store", dtype=request.param)
    config.store.folder.mkdir()
    embedder = FakeEmbedder(config)
    with Catalog.create(config.store.catalog, embedder.identity) as catalog:
        catalog.images.store(_batch(0, COUNT, 1))
    _write(config, ["/made/00000.jpg"])
    return config


@pytest.fixture
def opened(config: Config) -> Iterator[Engine]:
    """An engine on it."""
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        yield engine


def _write(config: Config, gone: list[str]) -> None:
    """Forget images, as another process does; that settles the index, too."""
    with Engine(config, embedder=FakeEmbedder(config)) as other:
        other.remove(gone)


def _asked(seed: int) -> Iterator[tuple[list[int], int, list[str]]]:
    random = np.random.default_rng(seed)
    for number in range(16):
        ids = random.choice(np.arange(2, COUNT), int(random.integers(1, 4)), replace=False)
        yield ids.tolist(), int(random.choice([1, 5, 10, 60, 500])), WHERE[number % len(WHERE)]


def _query(ids: list[int], all_ids: Ids, vectors: Vectors) -> Floats:
    mean = vectors.unit[np.isin(all_ids, ids)].mean(axis=0, keepdims=True)
    return Vectors.of(mean.astype(np.float32)).unit[0]


def _check_plain(config: Config, engine: Engine, seed: int) -> None:
    with Catalog.open(config.store.catalog) as catalog:
        all_ids, vectors = catalog.embeddings.all()
        for ids, k, where in _asked(seed):
            found = [each for each in ids if each in all_ids]
            if found != ids:
                continue
            allowed = np.isin(all_ids, catalog.images.matching(Filter.parse(where)))
            scores = (vectors.unit @ _query(ids, all_ids, vectors))[allowed]
            best = np.argsort(-scores, kind="stable")[:k]
            report = engine.search(ids=ids, k=k, where=where, rank="plain")
            shown = [hit.score for hit in report]
            np.testing.assert_allclose(shown, np.clip(scores[best], -1, 1), rtol=0, atol=2e-6)
            # Of equal scores the order is anybody's.
            assert {hit.id for hit in report} <= set(all_ids[allowed].tolist())
            rows = catalog.images.rows([hit.id for hit in report])
            for hit in report:
                row = rows[hit.id]
                assert (hit.path, hit.label, hit.category) == (row.path, row.label, row.category)


def test_a_plain_search_is_all_vectors_compared(config: Config, opened: Engine) -> None:
    _check_plain(config, opened, 1)
    _write(config, [f"/made/{number:05d}.jpg" for number in range(100, 160)])
    _check_plain(config, opened, 2)
    with Catalog.open(config.store.catalog) as catalog:
        catalog.images.store(_batch(COUNT, 40, 3))
    _check_plain(config, opened, 3)


def _all(engine: Engine) -> list[SearchReport]:
    return [engine.search(ids=ids, k=k, where=where) for ids, k, where in _asked(4)]


def test_a_fused_search_in_codes_is_the_one_in_vectors(
    config: Config, opened: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_codes = _all(opened)
    assert {report.order for report in in_codes} == {"fused"}

    def unpacked(flat: Flat, positions: Ids, query: Floats) -> Floats:
        return inner_products(flat.vectors(positions), query)

    monkeypatch.setattr(Flat, "products", unpacked)
    for one, other in zip(in_codes, _all(opened), strict=True):
        for kind in ("score", "rank_score"):
            np.testing.assert_allclose(
                [getattr(hit, kind) for hit in one],
                [getattr(hit, kind) for hit in other],
                rtol=0,
                atol=2e-6,
            )
        assert one.query == other.query
