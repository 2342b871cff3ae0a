"""`engine index --cluster local`: the real command, killed, and going on from there."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine import Engine
from tests.support import REPOSITORY
from tests.support.catalogs import contents
from tests.support.command import Run
from tests.support.crash import wait_for

pytestmark = pytest.mark.slow


def _done(store: Path) -> int:
    """Return how many shards of a store are done."""
    try:
        with closing(sqlite3.connect(f"file:{store / 'catalog.sqlite'}?mode=ro", uri=True)) as file:
            query = "SELECT count(*) FROM shards WHERE state = 'done'"
            return int(file.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


@contextmanager
def _no_commits(store: Path) -> Iterator[None]:
    """Let no process commit to a store for the length of a `with` block: the work stands still."""
    with closing(sqlite3.connect(store / "catalog.sqlite", isolation_level=None)) as file:
        file.execute("PRAGMA busy_timeout=30000")
        file.execute("BEGIN IMMEDIATE")
        yield
        file.execute("ROLLBACK")


@pytest.fixture
def begun(ready: Path, images: Path, tmp_path: Path) -> Callable[[Path], subprocess.Popen[bytes]]:
    """Begin to index the drawn pictures by processes; return the command's own process."""

    def begin(store: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cli.main", "index", images, "--store", store]
        command += ["--cluster", "local", "--shard-images", "1", "--label", "parent"]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

    return begin


def test_a_driver_that_is_killed_loses_nothing_that_was_finished(
    engine: Run,
    begun: Callable[[Path], subprocess.Popen[bytes]],
    images: Path,
    tmp_path: Path,
) -> None:
    store = tmp_path / "store"
    with begun(store) as driver:
        wait_for(lambda: _done(store) > 1, lambda: driver.poll() is not None)
        with _no_commits(store):
            driver.send_signal(signal.SIGKILL)
            driver.wait()
    kept = _done(store)
    assert kept > 1
    told = engine("status", "--store", store)
    assert b"nobody works on them" in told.stdout
    shards = json.loads(engine("status", "--store", store, "--json").stdout)["shards"]
    assert shards["done"] >= kept
    again = ("index", images, "--store", store, "--cluster", "local", "--label", "parent")
    report = json.loads(engine(*again, "--json").stdout)
    assert report["unchanged"] >= kept
    assert report["skipped"] == []
    other = tmp_path / "other"
    engine("index", images, "--store", other, "--label", "parent")
    with Engine.open(store) as one, Engine.open(other) as two:
        assert contents(one) == contents(two)
        assert one.status().consistent


def test_ctrl_c_ends_every_process_and_keeps_what_is_done(
    engine: Run, begun: Callable[[Path], subprocess.Popen[bytes]], images: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    with begun(store) as driver:
        wait_for(lambda: _done(store) > 1, lambda: driver.poll() is not None)
        with _no_commits(store):
            driver.send_signal(signal.SIGINT)
        assert driver.wait(60) == 130
        assert driver.stderr is not None
        assert b"Traceback" not in driver.stderr.read()
    shards = json.loads(engine("status", "--store", store, "--json").stdout)["shards"]
    assert shards["running"] == 0, "what workers were at was given back"
    assert shards["done"] > 1


@pytest.mark.parametrize("address", ["ray", "cluster://x", "lokal", ""])
def test_what_is_no_cluster_is_refused(
    quick: Run, images: Path, tmp_path: Path, address: str
) -> None:
    done = quick("index", images, "--store", tmp_path / "store", "--cluster", address)
    assert done.returncode == 2
    assert b"this is no cluster" in done.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "given", [["--workers", "2"], ["--shard-images", "10"], ["--retry-failed"]]
)
def test_an_option_that_says_nothing_is_refused(
    quick: Run, images: Path, tmp_path: Path, given: list[str]
) -> None:
    done = quick("index", images, "--store", tmp_path / "store", *given)
    assert done.returncode == 2
    assert given[0].encode() in done.stderr
    assert b"says nothing without --cluster" in done.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("option", ["--workers", "--shard-images"])
def test_there_is_at_least_one_of_all(
    quick: Run, images: Path, tmp_path: Path, option: str
) -> None:
    arguments = ["index", images, "--store", tmp_path / "store", "--cluster", "local"]
    done = quick(*arguments, option, "0")
    assert done.returncode == 2
    assert b"Use a whole number of 1 or more" in done.stderr
