"""Vectors in Milvus beside FAISS, over the same catalog: what is found, how soon, and how filled.

    python -m benchmarks.milvus --images 20000
    python -m benchmarks.milvus --images 20000 --vectors milvus://localhost:19530

By default a file of Milvus Lite in a temporary folder. Embeddings are made up, in clusters. Recall
is the share of the 10 nearest that an exact search of the catalog's own vectors finds, by the
parameters that the engine has chosen; times are medians, of both in one run, in turns. What is
found beyond a filter, or though it is hidden, is counted, and is to be nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.support.filled_store import made_up_batch
from engine.search.ranking import fused_ranking
from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Filter
from index.records import CatalogIdentity, Floats, Ids
from index.sync import follow_catalog, open_index, settle_index, vectors_of
from index.vector_address import VectorAddress
from index.vectors.index import VectorIndex
from index.vectors.milvus.measure import share_found

DIM, BATCH, CLUSTERS, K = 1280, 2048, 400, 10
QUERIES, HIDDEN, CHANGED = 100, 500, 1000
FAISS, MILVUS = "FAISS", "Milvus"


def drawn(count: int, rng: np.random.Generator) -> Floats:
    """Return unit vectors in clusters, float32 `[count, DIM]`, as a catalog stores them."""
    centres = np.random.default_rng(0).standard_normal((CLUSTERS, DIM), np.float32)
    vectors = centres[rng.integers(0, CLUSTERS, count)]
    vectors += rng.standard_normal((count, DIM), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


def fill(catalog: Catalog, count: int, first: int, rng: np.random.Generator) -> None:
    """Store made-up images."""
    for start in range(first, first + count, BATCH):
        unit = drawn(min(BATCH, first + count - start), rng)
        catalog.images.store(made_up_batch(unit, 10.0, start))


def exact(catalog: Catalog, queries: Floats, allowed: Ids | None) -> Ids:
    """Return the nearest visible images among some, or all, by the catalog's own vectors."""
    ids, vectors = catalog.embeddings.all()
    products = queries @ vectors.unit.T
    if allowed is not None:
        products[:, ~np.isin(ids, allowed)] = -np.inf
    best = np.argsort(-products, axis=1)[:, :K]
    return np.where(np.isfinite(np.take_along_axis(products, best, 1)), ids[best], -1)


def timed(both: dict[str, VectorIndex], ask: Callable[[VectorIndex, int], object]) -> list[float]:
    """Return the median milliseconds that each takes to answer."""
    seconds: dict[str, list[float]] = {name: [] for name in both}
    for number in range(QUERIES // 4):
        for name, index in both.items():
            started = time.perf_counter()
            ask(index, number)
            seconds[name].append(time.perf_counter() - started)
    return [1000 * median(each) for each in seconds.values()]


def masks(catalog: Catalog, rng: np.random.Generator) -> dict[str, Ids | None]:
    """Return what searches are filtered by, by what is told of it."""
    ids = catalog.visible_images.ids()
    bed = catalog.images.matching(Filter.parse(["category=bed"]))

    def share(count: int) -> Ids:
        return np.sort(rng.choice(ids, count, replace=False))

    return {
        "no filter": None,
        "100 images": share(100),
        f"category=bed, {len(bed)}": bed,
        "half of all": share(len(ids) // 2),
        "all but 100": share(len(ids) - 100),
    }


def compare(catalog: Catalog, both: dict[str, VectorIndex], hidden: Ids, queries: Floats) -> None:
    """Print a line for each filter, and for the fused order."""
    print(f"{'':24} recall  beyond  hidden      FAISS     Milvus   ratio")
    for name, mask in masks(catalog, np.random.default_rng(3)).items():
        nearest = exact(catalog, queries, mask)
        found = both[MILVUS].search(queries, K, mask).ids
        beyond = 0 if mask is None else int((~np.isin(found[found >= 0], mask)).sum())
        first, other = timed(both, lambda index, row, mask=mask: one(index, queries[row], mask))
        print(
            f"{name:24} {share_found(nearest, found):6.4f} {beyond:7} "
            f"{int(np.isin(found, hidden).sum()):7} {first:7.2f} ms {other:7.2f} ms "
            f"{other / first:7.1f}"
        )
    first, other = timed(both, lambda index, row: fused_ranking(index, queries[row], K))
    same = [
        np.array_equal(*(fused_ranking(index, query, K).ids for index in both.values()))
        for query in queries[:25]
    ]
    print(
        f"{'fused order':24} {np.mean(same):6.4f} the same{'':9}{first:7.2f} ms {other:7.2f} ms "
        f"{other / first:7.1f}"
    )


def one(index: VectorIndex, query: Floats, mask: Ids | None) -> object:
    """Ask one question."""
    return index.search(query[None], K, mask)


def run(catalog: Catalog, folder: Path, address: VectorAddress, images: int) -> None:
    """Fill a catalog and both indexes, hide some images, and compare."""
    rng = np.random.default_rng(1)
    fill(catalog, images, 0, rng)
    queries = drawn(QUERIES, np.random.default_rng(2))
    places = {FAISS: VectorAddress(), MILVUS: address}

    def index_of(name: str) -> VectorIndex:
        return vectors_of(catalog, folder / name, places[name])

    def clocked(name: str, count: int, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        print(f"{name}: {seconds:.1f} s, {count / seconds:,.0f} images/s")

    for name in places:
        (folder / name).mkdir()
    clocked("Milvus filled", images, lambda: follow_catalog(catalog, index_of(MILVUS)))
    clocked("Milvus, neighbours", images, lambda: settle_index(catalog, index_of(MILVUS)))
    clocked("FAISS filled, neighbours", images, lambda: settle_index(catalog, index_of(FAISS)))
    hidden = exact(catalog, queries, None)[:, : HIDDEN // QUERIES].reshape(-1)
    catalog.images.hide(np.unique(hidden).tolist())
    fill(catalog, CHANGED, images, rng)
    clocked(
        f"Milvus caught up, {CHANGED} new and {len(np.unique(hidden))} hidden",
        CHANGED + len(np.unique(hidden)),
        lambda: follow_catalog(catalog, index_of(MILVUS)),
    )
    settle_index(catalog, index_of(FAISS))
    both = {name: open_index(catalog, index_of(name)).vectors for name in places}
    compare(catalog, both, hidden, queries)
    stamps = timed(both, lambda index, _: index.moved())
    print(f"whether the answer holds: {stamps[1]:.2f} ms")
    both[MILVUS].discard()
    for index in both.values():
        index.close()


def main() -> None:
    """Print what is found, and how soon."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--vectors", help="a server; by default a file of Milvus Lite")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        identity = CatalogIdentity("fake", "f" * 64, DIM, "float16", "fp32")
        address = VectorAddress.parse(given.vectors or str(folder / "vectors.db"))
        with Catalog.create(folder / "catalog.sqlite", identity) as catalog:
            run(catalog, folder, replace(address), given.images)


if __name__ == "__main__":
    main()
