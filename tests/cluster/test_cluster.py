"""One run with all real parts, of which each is killed once; it comes to what one process makes.

PostgreSQL, three Ray nodes, Milvus Lite and an S3 server, on this machine alone. Pictures are
photographs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from engine import Engine
from index.catalog.catalog import Catalog
from index.catalog.shards import Progress
from index.catalog.sql.urls import name_of
from index.errors import CatalogError, StoreNotFoundError
from tests.support import REPOSITORY
from tests.support.catalogs import contents
from tests.support.object_store import ObjectStore
from tests.support.postgres import FAST, NoServerError, crash, running_server, start_again
from tests.support.ray_cluster import running_ray

PICTURES, SHARD, SEARCHES = 500, 5, 50
PATIENCE = 200.0


@dataclass
class Parts:
    """All that a run needs.

    Attributes
    ----------
    server
        The URL of the database, which can crash and be started again.
    environment
        Of every command.
    """

    server: str
    pictures: str
    cluster: str
    environment: dict[str, str]
    folder: Path

    @property
    def store(self) -> str:
        """The store's name."""
        return name_of(make_url(self.server))

    def command(self, *arguments: str | Path) -> list[str]:
        """Return a command of the engine."""
        return [sys.executable, "-m", "cli.main", *map(str, arguments)]

    def asked(self, *arguments: str | Path) -> Any:
        """Run a command; return what it answers in JSON."""
        command = self.command(*arguments, "--json")
        done = subprocess.run(command, env=self.environment, capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    @contextmanager
    def driver(self) -> Iterator[subprocess.Popen[bytes]]:
        """Begin to index on the cluster."""
        command = self.command("index", self.pictures, "--store", self.store, "--json")
        command += ["--cluster", self.cluster, "--shard-images", str(SHARD)]
        command += ["--vectors", str(self.folder / "vectors.db")]
        with subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as driver:
            try:
                yield driver
            finally:
                driver.kill()

    def progress(self) -> Progress | None:
        """Return how far the run in the ledger is; None where there is none."""
        try:
            with Catalog.open(self.server) as catalog:
                run = catalog.shards.run()
                return catalog.shards.progress(run) if run else None
        except (StoreNotFoundError, CatalogError):
            return None

    def wait_for(
        self, moment: Callable[[Progress], bool], driver: subprocess.Popen[bytes]
    ) -> Progress:
        """Wait until the ledger shows what is waited for, while a driver works."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if driver.poll() is not None:
                assert driver.stderr is not None
                raise AssertionError(f"it has ended: {driver.stderr.read().decode()}")
            progress = self.progress()
            if progress is not None and moment(progress):
                return progress
            time.sleep(0.02)
        raise AssertionError("it did not come to it")


@pytest.fixture
def parts(
    object_store: ObjectStore,
    real_images: Path,
    own_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Parts]:
    """All parts, with 500 photographs in a bucket."""
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    prefix = object_store.prefix()
    for number, path in enumerate(sorted((real_images / "catalog").rglob("*.jpg"))[:PICTURES]):
        prefix.put(f"{number % 7}/{number:03}.jpg", path.read_bytes())
    environment = {**object_store.environment, "ENGINE_DATA": str(tmp_path / "data")}
    try:
        with (
            running_server(FAST) as server,
            running_ray(nodes=2, cores=2, environment=environment) as cluster,
        ):
            every = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}
            yield Parts(server, prefix.url, cluster.address, every, tmp_path)
    except NoServerError as error:
        pytest.skip(str(error))


def _done(progress: Progress) -> int:
    return progress.shards.get("done", 0)


def test_each_part_is_killed_once_and_nothing_is_lost(parts: Parts) -> None:
    with parts.driver() as driver:
        begun = parts.wait_for(lambda now: _done(now) > 3 and len(now.workers) > 0, driver)
        worker = int(begun.workers[0].split()[-1])
        os.kill(worker, signal.SIGKILL)
        kept = parts.wait_for(lambda now: _done(now) > _done(begun) + 3, driver)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    assert 0 < kept.done < PICTURES, "it was in the middle of its work"
    with parts.driver() as driver:
        parts.wait_for(lambda now: now.run != kept.run and _done(now) > 3, driver)
        crash(parts.server)
        assert parts.progress() is None
        start_again(parts.server)
        told, said = driver.communicate(timeout=PATIENCE)
        assert driver.returncode == 0, said.decode()
        report = json.loads(told)
    assert report["images"] == PICTURES
    assert report["skipped"] == []
    assert report["added"] + report["unchanged"] == PICTURES
    _equals_a_local_run(parts)


def _equals_a_local_run(parts: Parts) -> None:
    local = parts.folder / "local"
    assert parts.asked("index", parts.pictures, "--store", local)["added"] == PICTURES
    with Engine.open(parts.server, data=parts.folder / "data") as one, Engine.open(local) as two:
        assert contents(one) == contents(two)
        status = one.status()
        assert status.consistent
        assert status.vectors.endswith("vectors.db")
        numbers = {path: number for number, path in enumerate(sorted(contents(two)))}
        assert len(numbers) == PICTURES
        for path in sorted(numbers)[:: PICTURES // SEARCHES]:
            assert _answer(one, path) == _answer(two, path)


def _answer(engine: Engine, path: str) -> list[tuple[str, Any]]:
    # Milvus's hits are scored some at a time, which rounds otherwise.
    return [(hit.path, pytest.approx(hit.score, abs=1e-6)) for hit in engine.search(path, k=10)]
