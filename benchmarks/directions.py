"""What an index of some directions costs and finds: millions of made-up vectors, no catalog.

    python -m benchmarks.directions [--vectors 4000000] [--bytes 310] [--folder DIR]

Vectors pass by once, as from a catalog; what is nearest to some queries is noted on the way. With
`--bytes` of 310 a vector `--memory` chooses 256 directions; with 1500 all of them. A second process
opens the file and is asked, and says what memory it took.

`--photos` prints instead what 256 directions cost on photographs: crops of the 600 of the catalog,
each among the others, P@1 and P@10 by the folder that a picture lies in.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.nearest import nearer
from benchmarks.peers.job import peak_rss_mb
from benchmarks.settings import CACHE, REPOSITORY, Settings, find_data
from benchmarks.support.synthetic import BLOCK, VIEWS, Synthetic, synthetic
from engine.search.search import COARSE_RESULTS
from index.records import Floats, Ids
from index.state import CatalogState, Preference
from index.vectors.choose import PROJECTED_DIM, Plan, choose_plan
from index.vectors.faiss_index import FaissIndex
from index.vectors.ivf.build import build_segment, sample_size
from index.vectors.ivf.projection import principal_directions

BACKBONE = "efficientnet_lite0"
QUERIES, K = 300, 10
STATE = CatalogState("d" * 32, 1, "d" * 32)


class Passing:
    """Made-up vectors that pass by, and what is nearest to some queries.

    Parameters
    ----------
    queries
        Unit vectors, float32 `[n, dim]`.

    Attributes
    ----------
    found
        Ids of the nearest, int64 `[n, K]`.
    """

    def __init__(self, source: Synthetic, count: int, queries: Floats) -> None:
        self.found: Ids = np.full((len(queries), K), -1, np.int64)
        self._scores = np.full((len(queries), K), -2, np.float32)
        self._source = source
        self._count = count
        self._queries = queries

    def sample(self, size: int) -> tuple[Ids, Floats]:
        """Return the first vectors: as random as any."""
        blocks = self._source.blocks(self._count, np.random.default_rng(2))
        taken = np.concatenate([next(blocks) for _ in range(-(-min(size, self._count) // BLOCK))])
        return np.arange(len(taken), dtype=np.int64), taken

    def chunks(self) -> Iterator[tuple[Ids, Floats]]:
        """Yield ids and vectors."""
        start = 0
        for block in self._source.blocks(self._count, np.random.default_rng(2)):
            products = self._queries @ block.T
            self._scores, self.found = nearer(self._scores, self.found, products, start)
            yield np.arange(start, start + len(block), dtype=np.int64), block
            start += len(block)


def _build(plan: Plan, passing: Passing, folder: Path, dim: int) -> None:
    began = time.perf_counter(), time.process_time()
    index = FaissIndex(folder, dim, "float16")

    def told(done: int) -> None:
        print(f"  {done:,}", file=sys.stderr, flush=True)

    sample = passing.sample(sample_size(plan))
    index.segment = build_segment(plan, sample, passing.chunks(), told)
    seconds, spent = time.perf_counter() - began[0], time.process_time() - began[1]
    assert index.save(STATE, lambda state: True)
    segment = index.segment
    print(f"{index.kind}; built in {seconds:.0f} s, {spent:.0f} s of the processor, the drawing of")
    print(f"vectors and the exact search included; peak memory {peak_rss_mb() / 1000:.1f} GB")
    print(f"it says that it finds {segment.autotuned.recall:.3f} of the 10 nearest")


def _ask(folder: Path, dim: int) -> None:
    """Open what was built, and ask it; in a process of its own."""
    queries, truth = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    index = FaissIndex(folder / "index", dim, "float16")
    began = time.perf_counter()
    assert index.open()
    opened = time.perf_counter() - began
    index.warm_up(lambda: False)
    for wanted in (K, 4 * K, COARSE_RESULTS * K):
        found, times, spent = 0, [], []
        for query, nearest in zip(queries, truth, strict=True):
            began, before = time.perf_counter(), time.process_time()
            ids = index.search(query[None], wanted).ids[0]
            spent.append(1e3 * (time.process_time() - before))
            times.append(1e3 * (time.perf_counter() - began))
            found += len(np.intersect1d(ids, nearest))
        print(
            f"{found / truth.size:.3f} of the 10 nearest are among the first {wanted}; p50 "
            f"{np.median(times):.2f} ms, {np.median(spent):.2f} ms of the processor"
        )
    size = index.status().size
    print(
        f"{size / len(index):.0f} bytes a vector on the disk, {size / 1e9:.2f} GB; opened in",
        end=" ",
    )
    print(f"{opened:.2f} s; peak memory of asking {peak_rss_mb() / 1000:.2f} GB, pages of the file")


def _photos(source: Synthetic, folder: Path) -> None:
    """Print precision on real crops, with directions learnt from other pictures and from all."""
    labels = np.array([each.parent.name for each in sorted(folder.rglob("*.jpg"))])
    views = source.unit.reshape(-1, VIEWS, source.unit.shape[1])
    known, others = views[: len(labels)], views[len(labels) :]
    for name, learnt in (("other pictures", others), ("all pictures", views)):
        flat = np.ascontiguousarray(learnt.reshape(-1, views.shape[2]))
        directions = principal_directions(flat, PROJECTED_DIM)
        held = float(np.square(known.reshape(-1, views.shape[2]) @ directions.T).sum(axis=1).mean())
        print(f"{PROJECTED_DIM} directions learnt from {len(flat)} crops of {name} hold {held:.2f}")
        found: dict[str, list[tuple[float, float]]] = {}
        for view in range(VIEWS):
            unit = known[:, view]
            exact, coarse = (_others(each) for each in (unit, unit @ directions.T))
            some = np.argsort(-coarse, axis=1)[:, : COARSE_RESULTS * K]
            compared = np.argsort(-np.take_along_axis(exact, some, axis=1), axis=1)[:, :K]
            ways = {
                "exact": np.argsort(-exact, axis=1)[:, :K],
                f"the first {K} by codes": some[:, :K],
                f"the best of {COARSE_RESULTS * K}": np.take_along_axis(some, compared, axis=1),
            }
            for way, nearest in ways.items():
                right = labels[nearest] == labels[:, None]
                found.setdefault(way, []).append((right[:, 0].mean(), right.mean()))
        for way, figures in found.items():
            first, ten = np.mean(figures, axis=0)
            print(f"  {way}: P@1 {first:.3f}, P@10 {ten:.3f}")


def _others(vectors: Floats) -> Floats:
    """Return the products of all with all, none with itself."""
    products: Floats = vectors @ vectors.T
    np.fill_diagonal(products, -2)
    return products


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, then ask in another process, and print both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.directions", description=__doc__)
    parser.add_argument("--vectors", type=int, default=4_000_000)
    parser.add_argument("--bytes", type=int, default=310, help="what --memory leaves a vector")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--folder", type=Path, help="where the index is written")
    parser.add_argument("--photos", action="store_true")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    source = synthetic(Settings(True, find_data(asked.data), CACHE), BACKBONE)
    dim = source.unit.shape[1]
    data = find_data(asked.data)
    if asked.photos and data:
        _photos(source, data / "catalog")
        return
    if asked.ask:
        del source
        _ask(asked.ask, dim)
        return
    memory = Preference("compressed", asked.vectors * asked.bytes)
    plan = choose_plan(asked.vectors, dim, "float16", memory)
    print(f"{asked.vectors:,} vectors: {asdict(plan)}", flush=True)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        queries = source.draw(QUERIES, np.random.default_rng(3))
        passing = Passing(source, asked.vectors, queries)
        _build(plan, passing, folder / "index", dim)
        np.save(folder / "queries.npy", queries)
        np.save(folder / "truth.npy", passing.found)
        command = [sys.executable, "-m", "benchmarks.directions", "--ask", str(folder)]
        sys.stdout.flush()
        subprocess.run(command, cwd=REPOSITORY, check=True)


if __name__ == "__main__":
    main()
