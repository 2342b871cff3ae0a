"""Heads, copies and duplicates in a catalog of 100,000 images: seconds, images/s, and memory."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import numpy as np

from benchmarks.figures import AT_LEAST, AT_MOST, Figure
from benchmarks.settings import CannotRunError, Settings
from benchmarks.support.filled_store import made_up_batch
from benchmarks.support.synthetic import Synthetic, synthetic
from benchmarks.support.tools import console
from benchmarks.support.weights import environment
from engine import Engine, TrainOptions
from engine.config import Config
from engine.embedding.choose import choose_embedder
from engine.heads.classifier import Classifier
from engine.heads.head import Dense
from engine.ingest.reclassify import SPAN
from engine.learning.data.copies import copy_groups
from engine.progress import SILENT
from index.catalog.catalog import Catalog
from index.records import Ids, Named
from index.store import find_store

SECTION = "heads"
BACKBONE = "efficientnet_lite0"
CATEGORIES = 100
BATCH = 5_000
PEAK_EVERY = 0.05
# How labels are made even: on so many images, in so many rounds, each by so much.
SAMPLE, ROUNDS, STEP = 20_000, 200, 0.005
TRAIN_SECONDS = 60.0
REFRESHED_PER_SECOND = 500_000.0
DUPLICATES_SECONDS = 60.0
GROUPING = "grouping near copies"
SMALL, LARGE = "furniture", "labels"
COMES = "refreshing, a new head of 5 (nearly every probability is new)"
AGAIN = "refreshing, the same head of 5 again (nothing is new)"
COMES_LARGE = f"refreshing, a new head of {CATEGORIES} (nearly every category is new)"


@dataclass(slots=True)
class Measured:
    """Runs of each measurement, by name."""

    runs: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        """Add one run of a measurement."""
        self.runs.setdefault(name, []).append(value)

    @contextmanager
    def timed(self, name: str, images: int = 0) -> Iterator[None]:
        """Time the block: seconds, or how many of these images a second."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self.note(name, images / seconds if images else seconds)


def run(settings: Settings) -> list[Figure]:
    """Fill a store, and train, refresh and compare in it."""
    if settings.data is None or not (settings.data / "furniture" / "train").is_dir():
        raise CannotRunError("needs photographs in `furniture/train`; benchmarks/README.md says so")
    source = synthetic(settings, BACKBONE)
    size = 10_000 if settings.quick else 100_000
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=settings.cache) as folder:
        store = Path(folder) / "store"
        settings.say(f"filling a store with {size:,} labelled images")
        _fill(store, source, size, settings)
        variables = environment(settings) | {"ENGINE_STORE": str(store)}
        for number in range(1, settings.runs + 1):
            _train(measured, variables)
            _say(settings, number, measured, "training")
        _refresh(measured, store, size, settings)
        _parts(measured, store, size, settings)
        _group(measured, source, size, settings)
        _command(["search", str(settings.images("catalog")[0]), "--paths"], variables)
        for number in range(1, settings.runs + 1):
            _, seconds, peak = _command(["duplicates", "--json"], variables)
            measured.note("duplicates", seconds)
            measured.note("duplicates: peak memory", peak)
            _say(settings, number, measured, "duplicates")
    return _figures(measured, f"{size:,} images")


def _fill(store: Path, source: Synthetic, size: int, settings: Settings) -> None:
    """Make a catalog of made-up images, of which about as many have each label."""
    config = Config.at(store, backbone=BACKBONE, cache=settings.cache / "engine")
    identity = choose_embedder(config, None, SILENT).identity
    rng = np.random.default_rng(0)
    layer = _labelling(source, rng)
    store.mkdir()
    with Catalog.create(find_store(store).catalog, identity) as catalog:
        for start in range(0, size, BATCH):
            unit = source.draw(min(BATCH, size - start), rng)
            ids = catalog.images.store(made_up_batch(unit, source.length, start))
            labels = [f"category {number:02d}" for number in layer(unit).argmax(axis=1).tolist()]
            catalog.images.relabel(zip(ids, labels, strict=True))


def _labelling(source: Synthetic, rng: np.random.Generator) -> Dense:
    """Return what decides on labels: which of some anchors is nearest, made even.

    By distance alone some would have a hundred times as many images as others.
    """
    anchors = source.unit[rng.choice(len(source.unit), CATEGORIES, replace=False)]
    scores = source.draw(SAMPLE, rng) @ anchors.T
    bias = np.zeros(CATEGORIES, np.float32)
    for _ in range(ROUNDS):
        counts = np.bincount((scores + bias).argmax(axis=1), minlength=CATEGORIES)
        bias -= np.float32(STEP) * np.log((counts + 1) * CATEGORIES / SAMPLE).astype(np.float32)
    return Dense(anchors, bias)


def _train(measured: Measured, variables: Mapping[str, str]) -> None:
    command = ["train", "--from-labels", "--head", LARGE, "--fast", "--json"]
    answer, seconds, peak = _command(command, variables)
    report = json.loads(answer)
    measured.note("training", seconds)
    measured.note("training: reading", report["seconds"]["embed"])
    measured.note("training: fitting and refreshing", report["seconds"]["fit"])
    measured.note("training: peak memory", peak)
    measured.note("training: accuracy", report["validation_accuracy"])


def _refresh(measured: Measured, store: Path, size: int, settings: Settings) -> None:
    """Let heads come: a small one, the same once more, and a large one."""
    assert settings.data is not None
    with Engine.open(store, cache=settings.cache / "engine") as engine:
        engine.train(
            settings.data / "furniture" / "train", head=SMALL, options=TrainOptions(fast=True)
        )
        for name in (SMALL, LARGE):
            engine.heads.export(name, store.parent / name)
            engine.heads.delete(name)
        # The first change after so many leaves a journal that is long, and is folded in.
        engine.heads.delete(engine.heads.add(store.parent / SMALL).name)
        for number in range(1, settings.runs + 1):
            with measured.timed(COMES, size):
                engine.heads.add(store.parent / SMALL)
            with measured.timed(AGAIN, size):
                engine.heads.add(store.parent / SMALL)
            engine.heads.delete(SMALL)
            with measured.timed(COMES_LARGE, size):
                engine.heads.add(store.parent / LARGE)
            engine.heads.delete(LARGE)
            _say(settings, number, measured, COMES)
        engine.heads.add(store.parent / SMALL)


def _parts(measured: Measured, store: Path, size: int, settings: Settings) -> None:
    """Take apart what a refresh with the small head does, each part by itself on one thread."""
    with Engine.open(store, cache=settings.cache / "engine") as engine:
        heads, built_in = engine._session.heads(), engine._session.embedder().built_in
    classifier = Classifier(built_in, heads)
    names, none = classifier.names, Classifier(built_in, [])
    with Catalog.open(find_store(store).catalog) as catalog:
        spans = catalog.embeddings.spans(SPAN)
        some = [catalog.embeddings.in_span(span) for span in spans[: max(1, len(spans) // 10)]]
        images = sum(map(len, some))
        for _ in range(settings.runs):
            with measured.timed("refreshing: reading alone", size):
                for span in spans:
                    catalog.embeddings.in_span(span)
            with measured.timed("refreshing: arithmetic alone", images):
                after = [classifier.settle(part.packed, part.summary) for part in some]
            before = [none.settle(part.packed, part.summary) for part in some]
            _write(catalog, names, some_ids := [part.ids for part in some], before)
            with measured.timed("refreshing: writing alone", images):
                _write(catalog, names, some_ids, after)


def _group(measured: Measured, source: Synthetic, size: int, settings: Settings) -> None:
    """Find the near copies among embeddings, as every training does before it splits them."""
    unit = np.concatenate(list(source.blocks(size, np.random.default_rng(0))))
    hashes, rows = [str(number) for number in range(size)], np.arange(size)
    for number in range(1, settings.runs + 1):
        with measured.timed(GROUPING):
            groups = copy_groups(hashes, unit, rows)
        _say(settings, number, measured, GROUPING)
    measured.note(f"{GROUPING}: copies found", size - len(np.unique(groups)))
    # By itself: following every allocation takes time.
    tracemalloc.start()
    copy_groups(hashes, unit, rows)
    measured.note(f"{GROUPING}: peak memory", tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()


def _write(
    catalog: Catalog, names: Sequence[tuple[str, str]], ids: Sequence[Ids], named: Sequence[Named]
) -> None:
    parts = list(zip(ids, named, strict=True))
    catalog.change_heads(put=None, delete=None, names=names, parts=parts)


def _command(arguments: Sequence[str], variables: Mapping[str, str]) -> tuple[str, float, float]:
    """Run the engine; return its answer, its seconds, and its peak memory in MB."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [*console(), *arguments], env=dict(variables), stdout=subprocess.PIPE, stderr=errors
        )
        assert child.stdout is not None
        with _peak_of(child.pid) as peak:
            answer = child.stdout.read().decode()
        child.wait()
        seconds = time.perf_counter() - started
        if child.returncode:
            errors.seek(0)
            raise RuntimeError(f"{arguments[0]} failed: {errors.read().decode()[-500:]}")
    return answer, seconds, peak[-1]


@contextmanager
def _peak_of(process: int) -> Iterator[list[float]]:
    """Follow the most memory a process has held, in MB, until its output ends.

    What `wait4` tells outlives exec: a child would report the size of this process, too.
    """
    peak, ended = [0.0], Event()

    def look() -> None:
        while not ended.wait(PEAK_EVERY):
            with suppress(OSError, StopIteration):
                lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
                line = next(line for line in lines if line.startswith("VmHWM:"))
                peak.append(int(line.split()[1]) * 1024 / 1e6)

    follower = Thread(target=look, daemon=True)
    follower.start()
    try:
        yield peak
    finally:
        ended.set()
        follower.join()


def _say(settings: Settings, number: int, measured: Measured, name: str) -> None:
    settings.say(f"run {number} of {settings.runs}: {name}: {measured.runs[name][-1]:,.1f}")


def _figures(measured: Measured, where: str) -> list[Figure]:
    bounds = {
        "training": (TRAIN_SECONDS, AT_MOST),
        COMES: (REFRESHED_PER_SECOND, AT_LEAST),
        AGAIN: (REFRESHED_PER_SECOND, AT_LEAST),
        "duplicates": (DUPLICATES_SECONDS, AT_MOST),
    }
    notes = {
        "training": f"`engine train --from-labels --fast`, {CATEGORIES} labels, the whole process",
        "duplicates": "`engine duplicates`, the whole process, the index built before",
        COMES: "`heads.add`: heads asked over all embeddings, what differs written, committed",
        "refreshing: reading alone": "parts: one thread each",
        GROUPING: "`copy_groups`, a part of every training",
        f"{GROUPING}: peak memory": "beside the embeddings, which are there anyway",
    }
    figures = []
    for name, runs in measured.runs.items():
        bound, sense = bounds.get(name, (None, AT_MOST))
        note = notes.get(name, "")
        title = f"{name} ({where})"
        figures.append(Figure.of(SECTION, title, runs, _unit(name), bound, sense, note))
    return figures


def _unit(name: str) -> str:
    if "memory" in name:
        return "MB"
    if "accuracy" in name or "found" in name:
        return ""
    return "images/s" if name.startswith("refreshing") else "s"
