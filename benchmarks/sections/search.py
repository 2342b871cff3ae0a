"""The index at 1,000 to 1,000,000 images: time, memory, and what it finds, beside exact search."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.figures import AT_MOST, Figure
from benchmarks.settings import Settings
from benchmarks.support.filled_store import made_up_batch
from benchmarks.support.synthetic import BLOCK, Synthetic, synthetic
from index.catalog.catalog import Catalog
from index.records import CatalogIdentity, Floats, Ids
from index.state import CatalogState
from index.sync import OpenedIndex, open_index, save_index, vectors_of
from index.vectors.faiss_index import FaissIndex
from index.vectors.index import Hits, VectorIndex

Answer = TypeVar("Answer")
SECTION = "search"
K = 10
SINGLES = 300
TRUTH_QUERIES = 1_000
BATCH = 256
ADDED = 1_000
SHARES = {"every 10th image": 0.1, "every 100th image": 0.01}
SIZES = (1_000, 10_000, 100_000, 1_000_000)
LARGEST = SIZES[-1]
# A million take minutes to build; what they are then asked is asked in every run.
BUILDS = 2
BACKBONE = "efficientnet_lite0"


@dataclass(slots=True)
class Measured:
    """What was measured at one size; milliseconds unless a name says otherwise."""

    size: int
    runs: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        """Add one run of a measurement."""
        self.runs.setdefault(name, []).append(value)


def run(settings: Settings) -> list[Figure]:
    """Grow one catalog and measure at every size."""
    source = synthetic(settings, BACKBONE)
    sizes = SIZES[:-1] if settings.quick else SIZES
    queries = source.draw(TRUTH_QUERIES, np.random.default_rng(3))
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=_roomy(settings)) as folder,
        Catalog.create(Path(folder) / "catalog.sqlite", _identity(source)) as catalog,
    ):
        rng = np.random.default_rng(2)
        for size in sizes:
            settings.say(f"filling the catalog to {size:,} images")
            _fill(catalog, source, size, rng)
            measured = _measure(catalog, Path(folder), queries, source, settings)
            figures += _figures(measured)
    return figures


def plots(figures: Sequence[Figure], folder: Path) -> None:
    """Draw how time and memory grow with the number of images."""
    from benchmarks.plots import line_chart

    wanted = {
        "one query, p50": ("search-time.png", "One query in a warm process", "milliseconds"),
        "on disk": ("search-memory.png", "Memory of the index", "bytes"),
        "opened in": ("search-open.png", "Opening the saved index", "milliseconds"),
    }
    for name, (file, title, unit) in wanted.items():
        series: dict[str, list[tuple[float, float]]] = {}
        for figure in figures:
            what, _, where = figure.name.partition(": ")
            if what.endswith(name):
                line = "exact" if what.startswith("exact") else "chosen by size"
                series.setdefault(line, []).append((_size_of(where), figure.value))
        if series:
            line_chart(folder / file, title, ("images", unit), series)


def _size_of(where: str) -> int:
    return int(where.split(" ", maxsplit=1)[0].replace(",", ""))


def _roomy(settings: Settings) -> Path:
    """Return a folder on the disk of the repository; a catalog of a million takes 4 GB."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    return settings.cache


def _identity(source: Synthetic) -> CatalogIdentity:
    return CatalogIdentity(BACKBONE, "f" * 64, source.unit.shape[1], "float16", "fp32")


def _fill(catalog: Catalog, source: Synthetic, size: int, rng: np.random.Generator) -> None:
    count = catalog.counts().images
    while count < size:
        block = source.draw(min(BLOCK, size - count), rng)
        catalog.images.store(made_up_batch(block, source.length, count))
        count += len(block)


def _measure(
    catalog: Catalog, folder: Path, queries: Floats, source: Synthetic, settings: Settings
) -> Measured:
    size = catalog.counts().images
    measured = Measured(size)
    path = folder / "index"
    truth, filters = _truth(catalog, queries)
    for number in range(settings.runs):
        settings.say(f"{size:,} images, run {number + 1} of {settings.runs}")
        if number < BUILDS or size < LARGEST:
            shutil.rmtree(path, ignore_errors=True)
            opened, seconds = _timed(lambda: _built(catalog, path))
            measured.note("build, s", seconds)
        opened, seconds = _timed(lambda: open_index(catalog, vectors_of(catalog, path)))
        measured.note("opened in", seconds * 1e3)
        assert opened.origin == "current"
        warm_up = opened.vectors.warm_up
        _, seconds = _timed(lambda warm_up=warm_up: warm_up(lambda: False))  # type: ignore[misc]
        measured.note("mapped whole in", seconds * 1e3)
        _ask(measured, "", opened.vectors, queries, truth, None)
        for name, (allowed, right) in filters.items():
            _ask(measured, f"{name}, ", opened.vectors, queries, right, allowed)
    status = opened.vectors.status()
    measured.note("on disk", status.size)
    measured.note("promised recall", status.recall)
    settings.note(f"{size:,} images: {status.kind}")
    _ask_exactly(measured, catalog, queries)
    if size == LARGEST or settings.quick:
        _add_and_remove(measured, catalog, path, source, settings)
    return measured


def _built(catalog: Catalog, path: Path) -> OpenedIndex:
    opened = open_index(catalog, vectors_of(catalog, path), settle=True)
    assert opened.origin == "rebuilt"
    assert save_index(opened, catalog)
    return opened


def _truth(catalog: Catalog, queries: Floats) -> tuple[Ids, dict[str, tuple[Ids, Ids]]]:
    """Return the ids of each query's nearest, and for every filter its ids and the same."""
    ids, vectors = catalog.embeddings.all()
    masks = {"": np.ones(len(ids), np.bool_)}
    for name, share in SHARES.items():
        if share * len(ids) >= 10 * K:
            masks[name] = np.random.default_rng(5).random(len(ids)) < share
    best = {name: _nearest(queries, ids[mask], vectors.unit[mask]) for name, mask in masks.items()}
    del vectors
    filters = {name: (ids[mask], best[name]) for name, mask in masks.items() if name}
    return best[""], filters


def _nearest(queries: Floats, ids: Ids, unit: Floats) -> Ids:
    scores = np.full((len(queries), K), -2, np.float32)
    found = np.full((len(queries), K), -1, np.int64)
    for start in range(0, len(ids), BLOCK):
        part = slice(start, start + BLOCK)
        here = np.broadcast_to(ids[part], (len(queries), len(ids[part])))
        scores = np.concatenate([scores, queries @ unit[part].T], axis=1)
        found = np.concatenate([found, here], axis=1)
        best = np.argpartition(-scores, K - 1, axis=1)[:, :K]
        scores = np.take_along_axis(scores, best, axis=1)
        found = np.take_along_axis(found, best, axis=1)
    return found


def _ask(
    measured: Measured,
    name: str,
    index: VectorIndex,
    queries: Floats,
    truth: Ids,
    allowed: Ids | None,
) -> None:
    """Ask one at a time, and many at once."""
    ready = None
    if allowed is not None:
        ready, seconds = _timed(lambda: index.mask(allowed))
        measured.note(f"{name}filter made ready", seconds * 1e3)
    for query in queries[:50]:
        index.search(query[None], K, ready)
    times = [
        _timed(lambda query=query: index.search(query[None], K, ready))[1] * 1e3  # type: ignore[misc]
        for query in queries[-SINGLES:]
    ]
    measured.note(f"{name}one query, p50", float(np.median(times)))
    measured.note(f"{name}one query, p99", float(np.quantile(times, 0.99)))
    found: list[Hits] = []
    started = time.perf_counter()
    for start in range(0, len(queries) - BATCH + 1, BATCH):
        found.append(index.search(queries[start : start + BATCH], K, ready))
    seconds = time.perf_counter() - started
    asked = BATCH * len(found)
    measured.note(f"{name}queries/s in batches of {BATCH}", asked / seconds)
    hits = np.concatenate([each.ids for each in found])
    shared = [np.intersect1d(*pair).size for pair in zip(hits, truth[:asked], strict=True)]
    measured.note(f"{name}recall@10", float(np.mean(shared)) / K)


def _ask_exactly(measured: Measured, catalog: Catalog, queries: Floats) -> None:
    """Compare with every vector, as many queries as take a few seconds."""
    dim, dtype = catalog.identity.dim, catalog.identity.dtype
    exact = FaissIndex(Path("nowhere"), dim, dtype)
    ids, vectors = catalog.embeddings.all()
    exact.add(ids, vectors.unit)
    del vectors
    few = max(5, min(SINGLES, 30_000_000 // measured.size))
    exact.search(queries[:1], K)
    times = [
        _timed(lambda query=query: exact.search(query[None], K))[1] * 1e3  # type: ignore[misc]
        for query in queries[:few]
    ]
    measured.note("exact one query, p50", float(np.median(times)))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        saved = FaissIndex(Path(folder) / "exact", dim, dtype)
        if shutil.disk_usage(folder).free > 4 * measured.size * dim:
            saved.delta = exact.delta
            assert saved.save(CatalogState("", 1, ""), lambda state: True)
            measured.note("exact on disk", saved.status().size)
            again = FaissIndex(Path(folder) / "exact", dim, dtype)
            _, seconds = _timed(again.open)
            measured.note("exact checked and opened in", seconds * 1e3)


def _add_and_remove(
    measured: Measured, catalog: Catalog, path: Path, source: Synthetic, settings: Settings
) -> None:
    """Add some images and remove them again, each time up to a saved index."""
    rng = np.random.default_rng(11)
    for number in range(settings.runs):
        unit = source.draw(ADDED, rng)
        batch = made_up_batch(unit, source.length, 10_000_000 + ADDED * number)
        started = time.perf_counter()
        ids = catalog.images.store(batch)
        opened = open_index(catalog, vectors_of(catalog, path), settle=True)
        assert save_index(opened, catalog)
        measured.note(f"{ADDED:,} added, s", time.perf_counter() - started)
        hits = opened.vectors.search(unit, 1)
        measured.note("added ones found", float((hits.ids[:, 0] == ids).mean()))
        catalog.images.delete(ids)
        opened, seconds = _timed(lambda: open_index(catalog, vectors_of(catalog, path)))
        measured.note(f"{ADDED:,} removed, s", seconds)
        hits = opened.vectors.search(unit, K)
        measured.note("removed ones found", float(np.isin(hits.ids, ids).mean()))
        assert save_index(opened, catalog)


def _timed(work: Callable[[], Answer]) -> tuple[Answer, float]:
    started = time.perf_counter()
    answer = work()
    return answer, time.perf_counter() - started


def _figures(measured: Measured) -> list[Figure]:
    where = f"{measured.size:,} images"
    units = {"queries/s": "queries/s", "recall": "", "found": "", ", s": "s", "on disk": "bytes"}
    figures = []
    for name, runs in measured.runs.items():
        unit = next((unit for part, unit in units.items() if part in name), "ms")
        bound, sense = _bound(name) if measured.size == LARGEST else (None, AT_MOST)
        figures.append(Figure.of(SECTION, f"{name}: {where}", runs, unit, bound, sense))
    each = measured.runs["on disk"][-1] / measured.size
    bound = 1_600 if measured.size == LARGEST else None
    title = f"bytes a vector: {where}"
    return [*figures, Figure.of(SECTION, title, [each], "bytes", bound, AT_MOST)]


def _bound(name: str) -> tuple[float | None, str]:
    """Return what a measurement must hold with a million images."""
    if name.startswith("exact"):
        return None, AT_MOST
    bounds = {
        "one query, p50": (1.0, AT_MOST),
        "one query, p99": (5.0, AT_MOST),
        "recall@10": (0.99, ">="),
        "opened in": (1_000.0, AT_MOST),
        "build, s": (300.0, AT_MOST),
        f"{ADDED:,} added, s": (5.0, AT_MOST),
        "removed ones found": (0.0, AT_MOST),
    }
    if name == f"queries/s in batches of {BATCH}":
        return 3_000.0, ">="
    return next((held for end, held in bounds.items() if name.endswith(end)), (None, AT_MOST))
