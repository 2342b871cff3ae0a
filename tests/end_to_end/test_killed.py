"""Killed at any moment, without a warning: nothing finished is lost and nothing is twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import Config, Engine
from engine.heads.classifier import Classifier
from engine.heads.file import head_from_bytes
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.vectors.index import VectorIndex
from tests.support import REPOSITORY

Run = Callable[..., subprocess.CompletedProcess[bytes]]
# Imports everything once. Each line on stdin names work and how long it may go on; a fork does it
# and is killed, or ends by itself where no time is given. The answer is how long it took.
WORKSHOP = """
import json, os, signal, sys, time
from engine import Config, Engine
from engine.testing import FakeEmbedder, FakeRuntime
import engine.ingest.batch_writer as writer
import engine.ingest.indexer, engine.learning.train, engine.heads.registry
import index.catalog.catalog, index.sync

embed = writer.BatchWriter._embed

def slowly(self):
    time.sleep(0.06)  # about what a batch takes with a real backbone
    embed(self)

writer.BatchWriter._embed = slowly
FakeRuntime.batch = 8

def index_images(engine, pictures):
    engine.index([pictures], label="parent")

def train_and_forget(engine, pictures):
    while True:
        engine.train(pictures, head="one")
        engine.train(pictures, head="two")
        engine.heads.delete("one")
        engine.heads.delete("two")

for line in sys.stdin:
    work, store, pictures, seconds = json.loads(line)
    started = time.monotonic()
    child = os.fork()
    if not child:
        config = Config.at(store, commit_seconds=0.02)
        globals()[work](Engine(config, embedder=FakeEmbedder(config)), pictures)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(time.monotonic() - started, flush=True)
"""
Work = Callable[[str, Path, Path, float | None], float]


@pytest.fixture(scope="module")
def work() -> Iterator[Work]:
    """Let another process work on a store for so many seconds, and kill it."""
    command = [sys.executable, "-c", WORKSHOP]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as workshop:

        def run(name: str, store: Path, images: Path, seconds: float | None) -> float:
            assert workshop.stdin is not None
            assert workshop.stdout is not None
            line = json.dumps([name, str(store), str(images), seconds])
            print(line, file=workshop.stdin, flush=True)
            return float(workshop.stdout.readline())

        yield run


def _engine(store: Path) -> Engine:
    config = Config.at(store)
    return Engine(config, embedder=FakeEmbedder(config))


@pytest.fixture(scope="module")
def whole_run(work: Work, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that an undisturbed run takes."""
    return work("index_images", tmp_path_factory.mktemp("whole") / "store", drawn, None)


# Twenty moments, spread over the run with a little chance in each.
MOMENTS = [(place + random.Random(place).random()) / 20 for place in range(20)]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment:.0%}")
def test_killed_while_indexing_the_store_is_in_order_and_the_next_run_completes(
    moment: float, work: Work, whole_run: float, drawn: Path, tmp_path: Path, quick: Run
) -> None:
    store = tmp_path / "store"
    work("index_images", store, drawn, moment * whole_run)
    done = quick("status", "--store", store, "--json")
    if done.returncode == 0:
        status = json.loads(done.stdout)
        assert status["consistent"], status["problems"]
        assert status["embeddings"] == status["images"] <= 60
        assert status["writer"] is None
    else:
        assert b"there is no catalog here" in done.stderr or b"the catalog is empty" in done.stderr
    with _engine(store) as engine:
        engine.index([drawn], label="parent")
        assert engine.status().consistent
    _assert_complete(store, drawn)


def _assert_complete(store: Path, images: Path) -> None:
    with Catalog.open(store / "catalog.sqlite") as catalog:
        ids, _ = catalog.embeddings.all()
        paths = [row.path for row in catalog.images.rows(ids.tolist()).values()]
    assert sorted(paths) == sorted(map(str, images.rglob("*.jpg")))
    assert sorted(VectorIndex.read(store / "index.faiss").ids.tolist()) == sorted(ids.tolist())


@pytest.fixture(scope="module")
def killed_again_and_again(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that all kills while training fall upon, one after the other."""
    store = tmp_path_factory.mktemp("trained") / "store"
    with _engine(store) as engine:
        engine.index([drawn], label="parent")
        engine.train(drawn, head="one")
    return store


@pytest.mark.parametrize("number", range(6))
def test_killed_while_training_or_forgetting_heads_and_predictions_agree(
    number: int, work: Work, killed_again_and_again: Path, drawn: Path, quick: Run
) -> None:
    store = killed_again_and_again
    seconds = 0.1 + 0.3 * number + random.Random(number).random() / 2
    work("train_and_forget", store, drawn, seconds)
    assert quick("status", "--store", store).returncode == 0
    _assert_predictions_follow_from_heads(store)


def _assert_predictions_follow_from_heads(store: Path) -> None:
    with Catalog.open(store / "catalog.sqlite") as catalog:
        heads = [head_from_bytes(row.file, row.name) for row in catalog.heads.all()]
        assert {head.name for head in heads} <= {"one", "two"}
        ids, vectors = catalog.embeddings.all()
        assert len(ids) == 60
        wanted = Classifier(FakeEmbedder(Config.at(store)).built_in, heads).best(vectors)
        predictions = catalog.predictions.of(ids.tolist())
        said = [(predictions[key].source, predictions[key].category) for key in ids.tolist()]
    assert said == [wanted.names[choice] for choice in wanted.choice.tolist()]


@pytest.mark.parametrize("seconds", [1.0, 1.7, 2.4])
def test_the_real_command_killed_leaves_a_store_in_order(
    seconds: float, many: Path, ready: Path, tmp_path: Path, quick: Run
) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-m", "cli.main", "index", str(many), "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
    done = quick("status", "--store", store, "--json")
    assert done.returncode == 0 or b"no catalog here" in done.stderr
    report = json.loads(quick("index", many, "--store", store, "--json").stdout)
    assert report["images"] == 160
    assert json.loads(quick("status", "--store", store, "--json").stdout)["consistent"]
