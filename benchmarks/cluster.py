"""A run by workers beside the same one by threads, and what the ledger of shards costs.

    python -m benchmarks.cluster [--pictures DIR] [--copies 5] [--rounds 3] [--shards 1000 100000]

Of each picture so many copies are indexed that differ in their last bytes alone, by a process and
by two workers in turns, each into a store of its own: with the embedded backbone, and with the fake
one, whose pictures are read and decoded as well and whose network takes no time. A ledger is
written, claimed, and finished without a picture, by one worker, on SQLite and on a PostgreSQL
server of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from engine.config import Config
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.shards import ListedFile, Run
from index.records import FileState
from tests.support.postgres import running_server

BOUND = 0.9
LEASE = timedelta(minutes=1)
WAYS = {"threads": None, "two workers": "local"}
BACKBONES = ("efficientnet_lite0", "fake")
INDEX = """
import sys, time
from engine import ClusterOptions, Config, Engine
from engine.testing import FakeEmbedder
if __name__ == "__main__":
    folder, store, cluster, backbone = sys.argv[1:]
    given = {"cluster": cluster or None}
    fake = backbone == "fake"
    config = Config.at(store, **given if fake else given | {"backbone": backbone})
    with Engine(config, embedder=FakeEmbedder(config) if fake else None) as engine:
        report = engine.index([folder], cluster=ClusterOptions(workers=2))
    assert not report.skipped
    print(report.images_per_second)
"""


def copied(pictures: Path, copies: int, folder: Path) -> int:
    """Write pictures several times, each with bytes of its own at its end; return how many."""
    files = sorted(path for path in pictures.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    for number in range(copies):
        below = folder / str(number)
        below.mkdir(parents=True)
        for position, path in enumerate(files):
            own = f"{number} {position}".encode()
            (below / f"{position:06}.jpg").write_bytes(path.read_bytes() + own)
    return copies * len(files)


def indexed(folder: Path, store: Path, cluster: str | None, backbone: str) -> float:
    """Index a folder in a process of its own; return images a second, from beginning to end."""
    script = store.with_suffix(".py")
    script.write_text(INDEX)
    command = [sys.executable, script, folder, store, cluster or "", backbone]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(command, check=True, capture_output=True, env=environment)
    return float(done.stdout)


def throughput(pictures: Path, copies: int, rounds: int) -> None:
    """Print how fast workers are beside threads."""
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below)
        count = copied(pictures, copies, folder / "pictures")
        print(f"{count} pictures, {os.cpu_count()} cores, images/s in {rounds} rounds:")
        for backbone in BACKBONES:
            rates: dict[str, list[float]] = {way: [] for way in WAYS}
            for number in range(rounds):
                for way, cluster in WAYS.items():
                    store = folder / f"{backbone} {way} {number}"
                    rates[way].append(indexed(folder / "pictures", store, cluster, backbone))
            one, two = rates["threads"], rates["two workers"]
            ratio = median(b / a for a, b in zip(one, two, strict=True))
            for way, found in rates.items():
                print(f"  {backbone:20} {way:12} {', '.join(f'{rate:.0f}' for rate in found)}")
            print(f"  {backbone:20} ratio {ratio:.3f} in the middle (bound {BOUND})")


def ledger(url: str | Path, shards: int) -> tuple[float, float]:
    """Return milliseconds a shard: to write it, and to claim, renew and finish it."""
    files = [ListedFile(FileState(f"/pictures/{n:09}.jpg", n, n)) for n in range(4)]
    run = Run("a" * 32, "/pictures", datetime.now(UTC))
    identity = FakeEmbedder(Config.at("unused")).identity
    with Catalog.create(url, identity) as catalog:
        began = time.perf_counter()
        catalog.shards.begin(run, (files for _ in range(shards)), keep=False)
        written, after = time.perf_counter(), 0
        while claim := catalog.shards.claim(run, "one", LEASE, after=after):
            catalog.shards.renew(claim, LEASE, 1)
            with catalog.database.together():
                catalog.shards.finish(claim, "{}")
            after = claim.shard
        finished = time.perf_counter()
        progress = catalog.shards.progress(run)
        assert progress is not None
        assert progress.shards == {"done": shards}
        asked = time.perf_counter() - finished
    print(
        f"  {shards:>7} shards: {1000 * (written - began) / shards:.3f} ms to write one, "
        f"{1000 * (finished - written) / shards:.3f} ms to claim, renew and finish it, "
        f"{1000 * asked:.0f} ms to ask how far all is"
    )
    return written - began, finished - written


def overhead(counts: list[int]) -> None:
    """Print what a shard costs in small and large ledgers."""
    with tempfile.TemporaryDirectory() as below, running_server() as server:
        for kind in ("SQLite", "PostgreSQL"):
            print(f"the ledger in {kind}:")
            each = []
            for count in counts:
                schema = f"{server}&options=-csearch_path%3Dof_{count}"
                if kind == "PostgreSQL":
                    _make_schema(server, f"of_{count}")
                url = Path(below) / f"{count}.sqlite" if kind == "SQLite" else schema
                each.append(sum(ledger(url, count)) / count)
            print(f"  a shard among {counts[-1]} takes {each[-1] / each[0]:.2f} of the time")


def _make_schema(server: str, name: str) -> None:
    from sqlalchemy import create_engine, text

    made = create_engine(server)
    with made.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    made.dispose()


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--copies", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shards", type=int, nargs="+", default=[1000, 100_000])
    given = parser.parse_args()
    if given.pictures:
        throughput(given.pictures, given.copies, given.rounds)
    overhead(given.shards)


if __name__ == "__main__":
    main()
