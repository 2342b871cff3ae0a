"""Whoever is killed, and whenever: every image is there once, and the ledger tells the truth."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from engine import Config, Engine
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.sql.schema import Embedding, Image, Removal, Shard
from index.errors import StoreError
from tests.support import REPOSITORY
from tests.support.tiny_images import write_tiny_images

# ENGINE_TEST_KILL_IMAGES=50000 has more of them, and takes minutes.
IMAGES, SHARDS, KILLS = int(os.environ.get("ENGINE_TEST_KILL_IMAGES", "10000")), 100, 20
SEED = 20
PATIENCE = 120.0
DRIVER = """
import sys
from engine import ClusterOptions, Config, Engine
from engine.testing import FakeEmbedder
if __name__ == "__main__":
    config = Config.at(sys.argv[1], cluster="local")
    options = ClusterOptions(2, int(sys.argv[3]), most_attempts=1000)
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([sys.argv[2]], cluster=options)
"""


@contextmanager
def _driver(folder: Path, store: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = folder.parent / "driver.py"
    script.write_text(DRIVER)
    command = [sys.executable, script, store, folder, str(IMAGES // SHARDS)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def _consistent(store: Path, total: int) -> tuple[int, list[int]]:
    """Hold images and ledger against each other; return how many shards are done, and workers."""
    with Catalog.open(store / "catalog.sqlite") as catalog, catalog.database.reading() as sql:
        images = sql.execute(select(func.count()).select_from(Image)).scalar_one()
        paths = sql.execute(select(func.count(Image.path.distinct()))).scalar_one()
        pairs = select(func.count()).select_from(Image).join(Embedding)
        embedded = sql.execute(select(func.count()).select_from(Embedding)).scalar_one()
        joined = sql.execute(pairs).scalar_one()
        states = select(Shard.state, func.count(), func.sum(Shard.n)).group_by(Shard.state)
        shards = {state: (count, n) for state, count, n in sql.execute(states)}
        removed = sql.execute(select(func.count()).select_from(Removal)).scalar_one()
        named = sql.execute(select(Shard.worker).where(Shard.state == "running")).scalars()
        workers = [int(name.split()[-1]) for name in named if name]
    assert images == paths == embedded == joined, "every image once, with its embedding"
    assert removed == 0
    listed = sum(n for _, n in shards.values())
    done, stored = shards.get("done", (0, 0))
    # Where nothing is open the ledger may be that of the run before, which had fewer to list.
    expected = (total - listed + stored, *[total - IMAGES] * (listed == stored))
    assert images in expected, "what is done is stored, and nothing else"
    assert "failed" not in shards
    return done, workers


def _children(pid: int) -> set[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return set()
    return set(map(int, text.split()))


def _wait_for_progress(
    store: Path, total: int, before: int, driver: subprocess.Popen[bytes]
) -> int:
    """Wait until another shard is done than there were; return how many are."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            done, _ = _consistent(store, total)
        except StoreError:
            done = before  # there is no catalog yet
        if done != before or driver.poll() is not None:
            return done
        time.sleep(0.02)
    raise AssertionError("nothing goes on")


def test_twenty_kills_at_random_moments_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    folder, store = tmp_path / "shop", tmp_path / "store"
    write_tiny_images(folder, IMAGES)
    draw, kills, killed = random.Random(SEED), 0, {"driver": 0, "worker": 0}
    total = IMAGES
    while True:
        with _driver(folder, store) as driver:
            done = -1
            while driver.poll() is None and kills < KILLS:
                done = _wait_for_progress(store, total, done, driver)
                time.sleep(draw.random() * 0.3)
                victim = "driver" if draw.random() < 0.3 else "worker"
                running = _workers(store, total) & _children(driver.pid)
                if driver.poll() is not None or (victim == "worker" and not running):
                    continue
                pid = driver.pid if victim == "driver" else draw.choice(sorted(running))
                os.kill(pid, signal.SIGKILL)
                kills, killed[victim] = kills + 1, killed[victim] + 1
                _consistent(store, total)
                if victim == "driver":
                    break
            if kills == KILLS:
                driver.wait(PATIENCE)
        _consistent(store, total)
        if driver.returncode == 0 and kills == KILLS:
            break
        if driver.returncode == 0:
            # It was sooner than the kills: it gets as many again.
            write_tiny_images(folder / f"from {total}", IMAGES, seed=total)
            total += IMAGES
            assert total < 10 * IMAGES, "runs end before they can be killed"
    print(f"killed {killed}")
    assert min(killed.values()) > 0
    done, workers = _consistent(store, total)
    assert not workers
    _equals_a_local_run(folder, store, tmp_path / "other", total)


def _workers(store: Path, total: int) -> set[int]:
    try:
        return set(_consistent(store, total)[1])
    except StoreError:
        return set()


def _equals_a_local_run(folder: Path, store: Path, other: Path, total: int) -> None:
    config = Config.at(other)
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        assert engine.index([folder]).added == total
    one, two = _embeddings(store), _embeddings(other)
    assert one.keys() == two.keys()
    assert one == two


def _embeddings(store: Path) -> dict[str, bytes]:
    query = select(Image.path, Embedding.vector, Embedding.norm).join(Embedding)
    with Catalog.open(store / "catalog.sqlite") as catalog, catalog.database.reading() as sql:
        return {path: vector + str(norm).encode() for path, vector, norm in sql.execute(query)}


@pytest.fixture(autouse=True)
def _linux() -> None:
    if not Path("/proc/self/task").exists():
        pytest.skip("needs Linux's /proc")
