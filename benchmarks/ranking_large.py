"""What a fused order costs in a large catalog: time of a query, of the arrangement, and recall.

    python -m benchmarks.ranking_large [--images 200000] [--folder DIR]

Recall is held against the same order of all images: every augmented vector is made, and compared
with the query as it is and as it was expanded by the nearest of all.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.settings import CACHE, Settings, find_data
from benchmarks.support.filled_store import made_up_batch
from benchmarks.support.synthetic import BLOCK, Synthetic, synthetic
from engine.search.ranking import FusedLimits, fused_ranking, plain_ranking
from engine.search.verify import verified
from index.catalog.catalog import Catalog
from index.records import CatalogIdentity, Floats, Ids
from index.sync import open_index, save_index, vectors_of
from index.vectors.graph import AUGMENTED, NeighbourGraph
from index.vectors.index import VectorIndex

BACKBONE = "efficientnet_lite0"
QUERIES, K = 300, 10
Answer = TypeVar("Answer")


def _filled(catalog: Catalog, source: Synthetic, count: int) -> None:
    rng = np.random.default_rng(2)
    for start in range(0, count, BLOCK):
        unit = source.draw(min(BLOCK, count - start), rng)
        catalog.images.store(made_up_batch(unit, source.length, start))


def _augmented(graph: NeighbourGraph, unit: Floats) -> Floats:
    """Return all augmented vectors, float32 `[n, dim]`; ids are in order of the graph's rows."""
    every = np.empty_like(unit)
    for start in range(0, len(unit), BLOCK):
        rows = slice(start, start + BLOCK)
        total = unit[rows].copy()
        neighbours, weights, _ = graph.weighted(graph.arrays.ids[rows])
        positions = np.searchsorted(graph.arrays.ids, np.maximum(neighbours, 0))
        for column in range(AUGMENTED):
            total += weights[:, column, None] * unit[positions[:, column]]
        every[rows] = total / np.linalg.norm(total, axis=1, keepdims=True)
    return every


def _best(query: Floats, unit: Floats, augmented: Floats, ids: Ids) -> set[int]:
    """Return the ids of the first `K` of all, by `engine/search/ranking.py` written out."""
    limits = FusedLimits()
    products = augmented @ query
    nearest = np.argpartition(-products, limits.expanded)[: limits.expanded]
    expanded = query + np.maximum(products[nearest], 0) ** limits.power @ augmented[nearest]
    expanded /= np.linalg.norm(expanded)
    ranks = limits.plain * (unit @ query) + (1 - limits.plain) * (augmented @ expanded)
    best: list[int] = ids[np.argpartition(-ranks, K)[:K]].tolist()
    return set(best)


def _timed(work: Callable[[], Answer]) -> tuple[Answer, float]:
    began = time.perf_counter()
    answer = work()
    return answer, time.perf_counter() - began


def _arranged(catalog: Catalog, folder: Path) -> VectorIndex:
    """Build and arrange the index of a catalog, and tell how long both took."""
    opened, build = _timed(lambda: open_index(catalog, vectors_of(catalog, folder)))
    save_index(opened, catalog)
    again = vectors_of(catalog, folder)
    opened, arrange = _timed(lambda: open_index(catalog, again, settle=True))
    save_index(opened, catalog)
    print(f"built in {build:.1f} s, arranged in {arrange:.1f} s: {again.status().kind}")
    return open_index(catalog, vectors_of(catalog, folder)).vectors


def _measure(catalog: Catalog, index: VectorIndex, queries: Floats) -> None:
    ids, vectors = catalog.embeddings.all()
    graph = index.graph
    assert graph is not None
    augmented = _augmented(graph, vectors.unit)
    times: dict[str, list[float]] = {name: [] for name in ("plain", "fused")}
    scored: dict[str, list[float]] = {name: [] for name in times}
    found = []
    index.warm_up(lambda: False)
    for query in queries:
        for name in times:
            ranking = fused_ranking if name == "fused" else plain_ranking
            ranked, seconds = _timed(lambda: ranking(index, query, K, None))  # noqa: B023
            _, more = _timed(lambda: verified(catalog, index, query, ranked))  # noqa: B023
            times[name].append(1e3 * seconds)
            scored[name].append(1e3 * (seconds + more))
        wanted = _best(query, vectors.unit, augmented, ids)
        found.append(len(wanted & set(ranked.ids.tolist())) / K)
    for what, each in (("the index", times), ("with the catalog's scores", scored)):
        plain, fused = (float(np.median(each[name])) for name in ("plain", "fused"))
        print(f"p50, {what}: plain {plain:.2f} ms, fused {fused:.2f} ms, {fused / plain:.2f} times")
    print(f"of the first {K} of all images, {np.mean(found):.4f} are found")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print times and recall."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking_large", description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--folder", type=Path, help="where a store is made; 5 kB an image")
    asked = parser.parse_args(arguments)
    source = synthetic(Settings(True, find_data(asked.data), CACHE), BACKBONE)
    identity = CatalogIdentity(BACKBONE, "f" * 64, source.unit.shape[1], "float16", "fp32")
    with (
        tempfile.TemporaryDirectory(dir=asked.folder) as name,
        Catalog.create(Path(name) / "catalog.sqlite", identity) as catalog,
    ):
        _filled(catalog, source, asked.images)
        index = _arranged(catalog, Path(name) / "index")
        _measure(catalog, index, source.draw(QUERIES, np.random.default_rng(3)))


if __name__ == "__main__":
    main()
