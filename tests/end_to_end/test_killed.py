"""Killed at any moment, without a warning: nothing finished is lost and nothing is twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import Config, Engine
from engine.heads.classifier import Classifier
from engine.heads.file import head_from_bytes
from engine.testing import FakeEmbedder
from index.catalog import Catalog
from index.vectors import VectorIndex

Run = Callable[..., subprocess.CompletedProcess[bytes]]
PREPARE = """
import sys, time
from engine import Config, Engine
from engine.testing import FakeEmbedder
import engine.indexing, engine.training, engine.heads.registry, index.catalog, index.sync
store, pictures = sys.argv[1:]
config = Config.at(store, commit_seconds=0.02)
made = Engine(config, embedder=FakeEmbedder(config))
print("ready", flush=True)
"""
# The pause makes a batch take about as long as with a real backbone.
INDEX = """
import engine.batch_writer as writer
embed = writer.BatchWriter._embed
def slowly(self):
    time.sleep(0.06)
    embed(self)
writer.BatchWriter._embed = slowly
writer.EMBED_BATCH = 8
made.index([pictures], label="parent")
print("done", flush=True)
"""
TRAIN_AND_FORGET = """
while True:
    made.train(pictures, head="one")
    made.train(pictures, head="two")
    made.delete_head("one")
    made.delete_head("two")
"""


def _start(code: str, store: Path, pictures: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PREPARE + code, str(store), str(pictures)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


def _kill_after(child: subprocess.Popen[bytes], seconds: float) -> None:
    with child:
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)


def _engine(store: Path) -> Engine:
    config = Config.at(store)
    return Engine(config, embedder=FakeEmbedder(config))


@pytest.fixture(scope="module")
def whole_run(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that an undisturbed run takes."""
    store = tmp_path_factory.mktemp("whole") / "store"
    with _start(INDEX, store, drawn) as child:
        started = time.monotonic()
        assert child.stdout is not None
        assert child.stdout.readline() == b"done\n"
        return time.monotonic() - started


# Twenty moments, spread over the run with a little chance in each.
MOMENTS = [(place + random.Random(place).random()) / 20 for place in range(20)]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment:.0%}")
def test_killed_while_indexing_the_store_is_in_order_and_the_next_run_completes(
    moment: float, whole_run: float, drawn: Path, tmp_path: Path, quick: Run
) -> None:
    store = tmp_path / "store"
    _kill_after(_start(INDEX, store, drawn), moment * whole_run)
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


def _assert_complete(store: Path, pictures: Path) -> None:
    with Catalog.open(store / "catalog.sqlite") as catalog:
        ids, _ = catalog.images.vectors()
        paths = [row.path for row in catalog.images.rows(ids.tolist()).values()]
    assert sorted(paths) == sorted(map(str, pictures.rglob("*.jpg")))
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
    number: int, killed_again_and_again: Path, drawn: Path, quick: Run
) -> None:
    store = killed_again_and_again
    seconds = 0.2 + 0.4 * number + random.Random(number).random() / 2
    _kill_after(_start(TRAIN_AND_FORGET, store, drawn), seconds)
    assert quick("status", "--store", store).returncode == 0
    _assert_predictions_follow_from_heads(store)


def _assert_predictions_follow_from_heads(store: Path) -> None:
    with Catalog.open(store / "catalog.sqlite") as catalog:
        heads = [head_from_bytes(row.file, row.name) for row in catalog.heads.all()]
        assert {head.name for head in heads} <= {"one", "two"}
        ids, vectors = catalog.images.vectors()
        assert len(ids) == 60
        wanted = Classifier(FakeEmbedder(Config.at(store)).built_in, heads).best(vectors)
        predictions = catalog.predictions.of(ids.tolist())
        said = [(predictions[key].source, predictions[key].name) for key in ids.tolist()]
    assert said == [wanted.names[choice] for choice in wanted.choice.tolist()]


@pytest.mark.parametrize("seconds", [1.0, 1.7, 2.4])
def test_the_real_command_killed_leaves_a_store_in_order(
    seconds: float, many: Path, ready: Path, tmp_path: Path, quick: Run
) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-m", "cli.main", "index", str(many), "--store", str(store)]
    _kill_after(subprocess.Popen(command, stdout=subprocess.DEVNULL), seconds)
    done = quick("status", "--store", store, "--json")
    assert done.returncode == 0 or b"no catalog here" in done.stderr
    report = json.loads(quick("index", many, "--store", store, "--json").stdout)
    assert report["images"] == 160
    assert json.loads(quick("status", "--store", store, "--json").stdout)["consistent"]
