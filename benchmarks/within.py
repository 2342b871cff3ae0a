"""This working tree beside another checkout, within a process: opening an index, and asking it.

    git worktree add ../before COMMIT
    python -m benchmarks.within ../before --images 100000 [--folder DIR] [--rounds 3]
    python -m benchmarks.within --images 1000000

Each checkout fills a store of its own with the same made-up embeddings, and is then asked in
processes of its own, in turn. A query is what `Engine.search` does once the picture is embedded:
the index, the scores from the catalog, and the rows of the hits, ordered by score.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
OPENINGS, QUERIES = 7, 400

COMMON = """
import json, sys, time
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from benchmarks.support.filled_store import made_up_batch
from index.catalog.catalog import Catalog
from index.records import CatalogIdentity, Vectors
from index.sync import open_index, save_index, vectors_of
folder, count = Path(sys.argv[1]), int(sys.argv[2])
DIM = 1280
centres = np.random.default_rng(1).normal(size=(20_000, DIM)).astype(np.float32)
def drawn(size, rng):
    x = centres[rng.integers(0, len(centres), size)]
    x = x + 0.5 * rng.standard_normal((size, DIM)).astype(np.float32)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
"""
FILL = f"""{COMMON}
folder.mkdir()
identity, rng = CatalogIdentity("fake", "f" * 64, DIM, "float16", "fp32"), np.random.default_rng(2)
with Catalog.create(folder / "catalog.sqlite", identity) as catalog:
    for start in range(0, count, 8192):
        catalog.images.store(made_up_batch(drawn(min(8192, count - start), rng), 10.0, start))
    opened = open_index(catalog, vectors_of(catalog, folder / "index"))
    save_index(opened, catalog)
"""
ASK = f"""{COMMON}
from engine.search.search import Query, search
from engine.search.terms import Terms
from index.catalog.tables.filters import Filter
embedder = SimpleNamespace(
    backbone=SimpleNamespace(close=None), reporter=SimpleNamespace(announce=print)
)
# An earlier checkout knows no other order.
order = ("plain",) if "rank" in Query.__dataclass_fields__ else ()
query = Query(10, None, None, False, Filter.parse(()), *order)
def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
with Catalog.open(folder / "catalog.sqlite") as catalog:
    def opening():
        global index
        index = None
        index = open_index(catalog, vectors_of(catalog, folder / "index")).vectors
    opened = [seconds(opening) for _ in range({OPENINGS})]
    index.warm_up(lambda: False)
    def asking(unit):
        with catalog.database.snapshot():
            vectors = Vectors(unit, np.ones(1, np.float32))
            search(catalog, index, embedder, [], Terms(["query"], vectors), query)
    queries = drawn({QUERIES}, np.random.default_rng(3))[:, None]
    asked = [seconds(lambda: asking(unit)) for unit in queries]
    alone = [seconds(lambda: index.search(unit, 10)) for unit in queries]
print(json.dumps([1e3 * float(np.median(times)) for times in (opened[:1], opened, asked, alone)]))
"""
NAMES = ("the first opening, ms", "opening the index, ms", "a query, ms", "the index alone, ms")


def run(code: Path, script: str, folder: Path, count: int) -> str:
    """Run a script with the code of a checkout; return what it printed."""
    command = [sys.executable, "-c", script, str(folder), str(count)]
    own = {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        command, env={**os.environ, **own}, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the medians of both, and of their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.within", description=__doc__)
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where stores are made; 3 kB an image each")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    codes = [HERE] if asked.other is None else [asked.other.resolve(), HERE]
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        stores = [Path(name) / str(number) for number in range(len(codes))]
        for code, store in zip(codes, stores, strict=True):
            run(code, FILL, store, asked.images)
        rounds = [
            [
                json.loads(run(code, ASK, store, asked.images))
                for code, store in zip(codes, stores, strict=True)
            ]
            for _ in range(asked.rounds)
        ]
    print(f"{asked.images:,} images")
    for position, what in enumerate(NAMES):
        columns = [[each[number][position] for each in rounds] for number in range(len(codes))]
        line = f"{what}: {' -> '.join(f'{median(column):.2f}' for column in columns)}"
        if len(codes) > 1:
            ratios = [new / old for old, new in zip(*columns, strict=True)]
            line += f", median ratio {median(ratios):.3f}"
        print(line)


if __name__ == "__main__":
    main()
