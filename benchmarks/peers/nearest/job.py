"""What a library is asked to do, and how it is measured. Nothing here needs more than numpy."""

from __future__ import annotations

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.job import peak_rss_mb

TARGET = 0.99


@dataclass(frozen=True, slots=True)
class Job:
    """Vectors to index and queries to ask, each a `.npy` file.

    Attributes
    ----------
    vectors
        Unit vectors, float32 `[n, dim]`; a row's number is its id.
    tuning, tuning_truth
        Queries that the settings are chosen with, float32 `[m, dim]`, and what is nearest to them,
        int64 `[m, k]`.
    asked, asked_truth
        Others, that the figures are of.
    work
        An empty folder for what the library saves.
    threads
        For the build; queries are asked on one.
    options
        How it is built, where not as usual.
    """

    vectors: str
    tuning: str
    tuning_truth: str
    asked: str
    asked_truth: str
    work: str
    threads: int
    options: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Job:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class Library(ABC):
    """An index of a library.

    Attributes
    ----------
    version
        Of the library.
    built_as
        How it is built, for people.
    """

    version = ""
    built_as = ""

    def __init__(self, job: Job) -> None:
        self.job = job

    @abstractmethod
    def build(self, vectors: Any) -> None:
        """Index vectors, a mapped array float32 `[n, dim]`."""

    @abstractmethod
    def settings(self) -> list[list[dict[str, Any]]]:
        """Return how it may be asked: rows of settings, each from cheap and coarse to dear."""

    @abstractmethod
    def use(self, setting: dict[str, Any]) -> None:
        """Ask in this way from now on."""

    @abstractmethod
    def ask(self, query: Any) -> Any:
        """Return the ids of the `k` nearest to a vector float32 `[dim]`, best first."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the index, all that it needs to be asked."""


def answer(make: Callable[[Job], Library]) -> None:
    """Do the job named on the command line, and write the figures to the file named behind it."""
    job = Job.read(Path(sys.argv[1]))
    try:
        facts = _measured(make(job), job)
    except ModuleNotFoundError as error:
        facts = {"skipped": f"the package {error.name} is not installed"}
    Path(sys.argv[2]).write_text(json.dumps(facts), encoding="utf-8")


def _measured(library: Library, job: Job) -> dict[str, Any]:
    vectors = np.load(job.vectors, mmap_mode="r")
    before = time.perf_counter(), time.process_time()
    library.build(vectors)
    built = time.perf_counter() - before[0], time.process_time() - before[1]
    # Before it is saved: some write from a copy.
    peak = peak_rss_mb()
    tuning, truth = np.load(job.tuning), np.load(job.tuning_truth)
    setting, tuned = _tuned(library, tuning, truth)
    library.use(setting)
    asked, truth = np.load(job.asked), np.load(job.asked_truth)
    recall, times, spent = _asked(library, asked, truth)
    folder = Path(job.work)
    library.save(folder)
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    return {
        "version": library.version,
        "built_as": library.built_as,
        "setting": setting,
        "vectors": len(vectors),
        "build_seconds": built[0],
        "build_cpu_seconds": built[1],
        "bytes_a_vector": size / len(vectors),
        "peak_rss_mb": peak,
        "tuned_recall": tuned,
        "recall": recall,
        "p50_ms": float(np.median(times)),
        "p99_ms": float(np.quantile(times, 0.99)),
        "p50_cpu_ms": float(np.median(spent)),
        "threads": job.threads,
        "cores": os.cpu_count(),
    }


def _tuned(library: Library, queries: Any, truth: Any) -> tuple[dict[str, Any], float]:
    """Return the setting of the least time whose recall reaches the target, else the best recall.

    In each row it goes on until the target is reached: what comes after is dearer.
    """
    tried = []
    for row in library.settings():
        for setting in row:
            library.use(setting)
            recall, _, spent = _asked(library, queries, truth)
            tried.append((setting, recall, float(np.median(spent))))
            print(f"  {setting}: recall {recall:.4f}, {tried[-1][2]:.2f} ms", file=sys.stderr)
            if recall >= TARGET:
                break
    reached = [each for each in tried if each[1] >= TARGET]
    if reached:
        chosen = min(reached, key=lambda each: each[2])
    else:
        chosen = max(tried, key=lambda each: each[1])
    return chosen[0], chosen[1]


def _asked(library: Library, queries: Any, truth: Any) -> tuple[float, list[float], list[float]]:
    """Return recall, milliseconds of each query by the clock, and of the processor."""
    for query in queries[:20]:
        library.ask(query)
    times, spent, found = [], [], 0
    for query, nearest in zip(queries, truth, strict=True):
        began = time.perf_counter(), time.process_time()
        ids = library.ask(query)
        spent.append(1e3 * (time.process_time() - began[1]))
        times.append(1e3 * (time.perf_counter() - began[0]))
        found += len(np.intersect1d(ids, nearest))
    return found / truth.size, times, spent
