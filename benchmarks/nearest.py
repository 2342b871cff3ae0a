"""The index beside other libraries of nearest neighbours, at equal recall, one after the other.

    python -m benchmarks.nearest --python FILE [--vectors 200000] [--only scann,...] [--folder DIR]

Each library runs in a process of its own, which builds an index of the same vectors, tunes it over
its usual parameters to the least time whose recall@10 is 0.99 on some queries, and reports of
others. Figures are kept in `results/nearest.json`, and all of them written to
`results/NEAREST.md`; those of a library that is not run again stay.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.nearest.job import TARGET, Job
from benchmarks.settings import CACHE, REPOSITORY, RESULTS, Settings, find_data
from benchmarks.support.machine import describe_machine
from benchmarks.support.synthetic import synthetic
from index.records import Floats, Ids

BACKBONE = "efficientnet_lite0"
Figures = dict[str, dict[str, dict[str, Any]]]
K, TUNING, ASKED, DIM = 10, 300, 500, 1280
FIGURES, TABLE = "nearest.json", "NEAREST.md"


@dataclass(frozen=True, slots=True)
class Entry:
    """A library as it is built once.

    Attributes
    ----------
    name
        What the table calls it.
    module
        Its file in `benchmarks.peers.nearest`.
    component_bytes
        Of memory for each component of a vector while it is built, by sum: what it holds, and the
        array that it asks for.
    options
        As in `Job`.
    """

    name: str
    module: str
    component_bytes: float
    options: dict[str, Any] = field(default_factory=dict)


ENTRIES = (
    Entry("engine", "engine", 1.2),
    Entry("ScaNN, bfloat16", "scann", 10.5, {"reorder": "bfloat16"}),
    Entry("ScaNN, int8", "scann", 9.5, {"reorder": "int8"}),
    Entry("hnswlib", "hnswlib", 4.2),
    Entry("usearch, bf16", "usearch", 2.2, {"dtype": "bf16"}),
    Entry("usearch, i8", "usearch", 1.2, {"dtype": "i8"}),
    Entry("SVS, float16", "svs", 4.2),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, and write the table."""
    asked = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        entries = [each for each in ENTRIES if not asked.only or each.module in asked.only]
        if entries:
            _made_up(folder, asked.vectors, find_data(asked.data))
        for entry in entries:
            print(f"{entry.name}, {asked.vectors:,} vectors", file=sys.stderr, flush=True)
            python = Path(sys.executable) if entry.module == "engine" else asked.python
            facts = _too_large(entry, folder) or _run(entry, folder, python, asked.seconds)
            facts["machine"] = describe_machine()
            # Kept after each: a later one that fails takes nothing with it.
            found = _read()
            found.setdefault(str(asked.vectors), {})[entry.name] = facts
            (RESULTS / FIGURES).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    page = _page(_read())
    (RESULTS / TABLE).write_text(page, encoding="utf-8")
    print(page)


def _read() -> Figures:
    """Return what was measured, by the number of vectors and by library."""
    path = RESULTS / FIGURES
    found: Figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nearest", description=__doc__)
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument(
        "--python",
        type=Path,
        default=CACHE / "nearest" / "bin" / "python",
        metavar="FILE",
        help="an interpreter that has the libraries (benchmarks/README.md)",
    )
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="MODULE,...")
    parser.add_argument("--seconds", type=int, default=3600, help="the most that one may take")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--folder", type=Path, help="for vectors and indices; 11 kB a vector")
    return parser


def _made_up(folder: Path, count: int, data: Path | None) -> None:
    """Write vectors, queries, and what is nearest to these."""
    source = synthetic(Settings(True, data, CACHE), BACKBONE)
    dim = source.unit.shape[1]
    vectors = np.lib.format.open_memmap(
        folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(count, dim)
    )
    queries = source.draw(TUNING + ASKED, np.random.default_rng(3))
    scores = np.full((len(queries), K), -2, np.float32)
    found = np.full((len(queries), K), -1, np.int64)
    start = 0
    for block in source.blocks(count, np.random.default_rng(2)):
        vectors[start : start + len(block)] = block
        scores, found = nearer(scores, found, queries @ block.T, start)
        start += len(block)
    vectors.flush()
    for name, part in (("tuning", slice(TUNING)), ("asked", slice(TUNING, None))):
        np.save(folder / f"{name}.npy", queries[part])
        np.save(folder / f"{name}_truth.npy", found[part])


def nearer(scores: Floats, found: Ids, more: Floats, start: int) -> tuple[Floats, Ids]:
    """Return scores and ids `[n, K]` of the best of these and of `more`, whose ids go on."""
    ids = np.broadcast_to(np.arange(start, start + more.shape[1]), more.shape)
    every, named = np.concatenate([scores, more], axis=1), np.concatenate([found, ids], axis=1)
    best = np.argpartition(-every, K - 1, axis=1)[:, :K]
    return np.take_along_axis(every, best, axis=1), np.take_along_axis(named, best, axis=1)


def _too_large(entry: Entry, folder: Path) -> dict[str, Any] | None:
    """Say of a library that it needs more memory than there is, None where there is enough."""
    shape = np.load(folder / "vectors.npy", mmap_mode="r").shape
    needed = entry.component_bytes * shape[0] * shape[1]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    available = next(1024 * int(each.split()[1]) for each in lines if "MemAvailable" in each)
    if needed < available:
        return None
    return {"skipped": f"needs {needed / 1e9:.1f} GB by sum; {available / 1e9:.1f} GB were free"}


def _run(entry: Entry, folder: Path, python: Path, seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        paths = {
            name: str(folder / f"{name}.npy")
            for name in ("vectors", "tuning", "tuning_truth", "asked", "asked_truth")
        }
        job = Job(**paths, work=work, threads=os.cpu_count() or 1, options=entry.options)
        job.write(folder / "job.json")
        answer = folder / "answer.json"
        answer.unlink(missing_ok=True)
        module = f"benchmarks.peers.nearest.{entry.module}"
        command = [str(python), "-m", module, str(folder / "job.json"), str(answer)]
        # NumPy's threads are no part of any library.
        variables = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        try:
            ended = subprocess.run(
                command, cwd=REPOSITORY, env=variables, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return {"skipped": f"not done after {seconds} s"}
        if not answer.exists():
            return {"skipped": f"it ended with {ended.returncode}"}
        facts: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return facts


def _page(found: Figures) -> str:
    """Return all figures as a page."""
    lines = [
        "# The index beside other libraries of nearest neighbours",
        "",
        "`python -m benchmarks.nearest`; how it is measured stands in [README](../README.md).",
        "Made-up embeddings of 1280 dimensions. One query on one thread; the clock's time depends",
        "on what else the machine does, the processor's less so. Recall is recall@10 on 500",
        f"queries; each library has the cheapest of its settings that reached {TARGET} on 300",
        "others, the engine what it chose by itself. Bytes are those of the saved index. Peak",
        "memory is that of the process until the index is built, pages that it has read of the",
        "mapped file of vectors included. SVS refuses its own codes, LVQ and LeanVec, on a",
        "processor that is not Intel's.",
    ]
    for count, libraries in sorted(found.items(), key=lambda each: int(each[0])):
        lines += [
            "",
            f"## {int(count):,} vectors",
            "",
            "| library | built as | asked with | recall | p50, processor | p50, clock | p99, clock "
            "| bytes a vector | built in | processor time of that | peak memory |",
            "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for entry in ENTRIES:
            facts = libraries.get(entry.name) or {"skipped": _by_sum(entry, int(count), found)}
            lines.append(_row(entry.name, facts))
    machines = {
        f"{facts['machine']['processor']}, {facts['machine']['cores']} cores, "
        f"{facts['machine']['memory']}"
        for libraries in found.values()
        for facts in libraries.values()
    }
    return "\n".join([*lines, "", f"Measured on: {'; '.join(sorted(machines))}.", ""])


def _by_sum(entry: Entry, count: int, found: Figures) -> str:
    """Say what a library that was not run would need at least, from what fewer vectors took."""
    needed = f"not run: {entry.component_bytes * count * DIM / 1e9:.1f} GB by sum"
    less = [size for size, each in found.items() if "build_seconds" in each.get(entry.name, {})]
    less = [size for size in less if int(size) < count]
    if not less:
        return needed
    largest = max(less, key=int)
    spent = found[largest][entry.name]["build_cpu_seconds"] * count / int(largest)
    return f"{needed}, and {spent:,.0f} s of a processor in proportion to {int(largest):,}"


def _row(name: str, facts: dict[str, Any]) -> str:
    if "skipped" in facts:
        return f"| {name} | {facts['skipped']} | | | | | | | | | |"
    setting = ", ".join(f"{what} {value}" for what, value in facts["setting"].items())
    return (
        f"| {name} ({facts['version']}) | {facts['built_as']} | {setting} | {facts['recall']:.4f} "
        f"| {facts['p50_cpu_ms']:.2f} ms | {facts['p50_ms']:.2f} ms | {facts['p99_ms']:.2f} ms "
        f"| {facts['bytes_a_vector']:,.0f} | {facts['build_seconds']:,.0f} s "
        f"| {facts['build_cpu_seconds']:,.0f} s | {facts['peak_rss_mb'] / 1000:.1f} GB |"
    )


if __name__ == "__main__":
    main()
