"""Killed at any moment, without a warning: nothing finished is lost and nothing is twice.

No test sleeps until its moment: it waits for what was committed, and then a little longer.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine import Config, Engine, TrainOptions
from engine.heads.classifier import Classifier
from engine.heads.file import head_from_bytes
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.files.lock import current_writer
from tests.support import REPOSITORY
from tests.support.crash import committed, wait_for

Run = Callable[..., subprocess.CompletedProcess[bytes]]
IMAGES = 60
BATCH = 8
# About what a batch takes with a real backbone.
BATCH_SECONDS = 0.06
# Imports everything once. Each line on stdin names work, what must be committed before the kill,
# and how much later it comes; a fork does the work and is killed. The answer is how much was
# committed when the kill was sent.
WORKSHOP = """
import json, os, signal, sys, time
from pathlib import Path
from engine import Config, Engine
from engine.testing import FakeEmbedder, FakeRuntime
from tests.support.crash import Commits, committed, wait_for
import engine.ingest.indexer, engine.learning.train, engine.heads.file
import index.catalog.catalog, index.sync

batch, seconds = int(sys.argv[1]), float(sys.argv[2])
embed = FakeRuntime.embed

def slowly(self, pixels):
    time.sleep(seconds)
    return embed(self, pixels)

FakeRuntime.embed = slowly
FakeRuntime.batch = batch

def alive(child):
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child, options) is None

def index_images(engine, images):
    engine.index([images], label="parent")

def train_and_forget(engine, images):
    while True:
        engine.train(images, head="one")
        engine.train(images, head="two")
        engine.heads.delete("one")
        engine.heads.delete("two")

def embeddings(store):
    return lambda: committed(store)

def commits(store):
    return Commits(store).look

PROGRESS = {"index_images": embeddings, "train_and_forget": commits}

for line in sys.stdin:
    work, store, images, least, later = json.loads(line)
    progress = PROGRESS[work](Path(store))
    child = os.fork()
    if not child:
        config = Config.at(store, commit_seconds=0.02)
        globals()[work](Engine(config, embedder=FakeEmbedder(config)), images)
        os._exit(0)
    try:
        wait_for(lambda: progress() >= least, lambda: not alive(child))
        time.sleep(later)
        done = progress()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(done, flush=True)
"""
Work = Callable[[str, Path, Path, int, float], int]


@pytest.fixture(scope="module")
def work() -> Iterator[Work]:
    """Let another process work on a store until so much is committed and a while, and kill it."""
    command = [sys.executable, "-c", WORKSHOP, str(BATCH), str(BATCH_SECONDS)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as workshop:

        def run(name: str, store: Path, images: Path, least: int, later: float) -> int:
            assert workshop.stdin is not None
            assert workshop.stdout is not None
            line = json.dumps([name, str(store), str(images), least, later])
            print(line, file=workshop.stdin, flush=True)
            return int(workshop.stdout.readline())

        yield run


def _engine(store: Path) -> Engine:
    config = Config.at(store)
    return Engine(config, embedder=FakeEmbedder(config))


# Twenty moments, spread over the run: after so many images, and a part of a batch later.
MOMENTS = [
    (IMAGES * number // 20, random.Random(number).random() * BATCH_SECONDS) for number in range(20)
]


@pytest.mark.parametrize(("least", "later"), MOMENTS)
def test_killed_while_indexing_nothing_is_lost_and_the_next_run_completes(
    least: int, later: float, work: Work, drawn: Path, tmp_path: Path, quick: Run
) -> None:
    store = tmp_path / "store"
    done = work("index_images", store, drawn, least, later)
    assert done >= least
    status = quick("status", "--store", store, "--json")
    if status.returncode == 0:
        told = json.loads(status.stdout)
        assert told["consistent"], told["problems"]
        assert done <= told["images"] == told["embeddings"] <= IMAGES
        assert told["writer"] is None
    else:
        assert not done
        said = status.stderr
        assert b"there is no catalog here" in said or b"the catalog is empty" in said
    with _engine(store) as engine:
        engine.index([drawn], label="parent")
        _assert_complete(engine, drawn)


def _assert_complete(engine: Engine, images: Path) -> None:
    status = engine.status()
    assert (status.consistent, status.index_state) == (True, "current")
    paths = sorted(map(str, images.rglob("*.jpg")))
    assert sorted(hit.path for hit in engine.search(paths[0], k=2 * IMAGES)) == paths


@pytest.fixture(scope="module")
def killed_again_and_again(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that all kills while training fall upon, one after the other."""
    store = tmp_path_factory.mktemp("trained") / "store"
    with _engine(store) as engine:
        engine.index([drawn], label="parent")
        engine.train(drawn, head="one", options=TrainOptions(fast=True))
    return store


@pytest.mark.parametrize("number", range(6))
def test_killed_while_training_or_forgetting_heads_and_predictions_agree(
    number: int, work: Work, killed_again_and_again: Path, drawn: Path, quick: Run
) -> None:
    store = killed_again_and_again
    later = random.Random(number).random() / 2
    assert work("train_and_forget", store, drawn, number % 3, later) >= number % 3
    assert quick("status", "--store", store).returncode == 0
    _assert_predictions_follow_from_heads(store)


def _assert_predictions_follow_from_heads(store: Path) -> None:
    with Catalog.open(store / "catalog.sqlite") as catalog:
        heads = [head_from_bytes(row.file, row.name) for row in catalog.heads.all()]
        assert {head.name for head in heads} <= {"one", "two"}
        ids, vectors = catalog.embeddings.all()
        assert len(ids) == IMAGES
        wanted = Classifier(FakeEmbedder(Config.at(store)).built_in, heads).best(vectors)
        predictions = catalog.predictions.of(ids.tolist())
        said = [(predictions[key].source, predictions[key].category) for key in ids.tolist()]
    assert said == [wanted.names[choice] for choice in wanted.choice.tolist()]


COMMITTING_OFTEN = """
from functools import partial
from engine import Engine
Engine.open = partial(Engine.open, commit_seconds=0.05)
from cli.main import run
run()
"""


@pytest.mark.parametrize("least", [0, 1, 100])
def test_the_real_command_killed_leaves_a_store_in_order(
    least: int, many: Path, tmp_path: Path, quick: Run
) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-c", COMMITTING_OFTEN, "index", str(many), "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=REPOSITORY) as child:
        wait_for(
            lambda: (store / "catalog.sqlite").exists() and committed(store) >= least,
            lambda: child.poll() is not None,
        )
        child.send_signal(signal.SIGKILL)
    done = quick("status", "--store", store, "--json")
    assert done.returncode == 0 or (b"is empty" in done.stderr and not least)
    report = json.loads(quick("index", many, "--store", store, "--json").stdout)
    assert report["images"] == 160
    assert report["embedded"] <= 160 - least
    assert json.loads(quick("status", "--store", store, "--json").stdout)["consistent"]


@pytest.mark.parametrize("later", [0.0, 0.1, 0.2, 0.3, 0.4])
def test_killed_while_compacting_nothing_is_lost(
    later: float, shop: Path, drawn: Path, quick: Run
) -> None:
    quick("remove", drawn / "bed", "--store", shop)
    before = quick("search", drawn / "chair" / "chair-0001.jpg", "--store", shop, "--json").stdout
    command = [sys.executable, "-m", "cli.main", "compact", "--store", str(shop)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=REPOSITORY) as child:
        wait_for(lambda: current_writer(shop) is not None, lambda: child.poll() is not None)
        with suppress(subprocess.TimeoutExpired):
            child.wait(later)
        child.send_signal(signal.SIGKILL)
    assert quick("status", "--store", shop).returncode == 0
    after = quick("search", drawn / "chair" / "chair-0001.jpg", "--store", shop, "--json").stdout
    assert after == before
