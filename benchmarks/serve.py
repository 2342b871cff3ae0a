"""How many searches a second a service answers over loopback, and how long each waits.

    python -m benchmarks.serve [--data FOLDER] [--runs 3] [--seconds 5] [--clients 32] [--plots DIR]
                            [--processes 1 2]

The service and the clients are processes on the same cores. Searches with an upload are of
photographs outside the catalog, searches by id of its own images. With four times the clients more
is asked than can be answered: nothing but 200, 429 and 503 may come, and what is accepted is
answered in time. Beside it the usual script: FastAPI, a torch network and a FAISS index. Both are
asked by the same clients, in turns, while the other one waits.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.settings import REPOSITORY, find_data
from benchmarks.support.http_load import Load, asked, request

BACKBONE = "efficientnet_lite0"
ENGINE = [sys.executable, "-m", "cli.main"]
USUAL = [sys.executable, "-m", "benchmarks.peers.usual_service"]
PATIENCE = 120.0
WARM_UP_SECONDS = 2.0
HEADINGS = (
    "| asked | answers/s | p50 ms | p95 ms | p99 ms | others | core-ms of the service | "
    "core-ms of a client |\n|---|---:|---:|---:|---:|---|---:|---:|"
)


@dataclass
class Service:
    """A service that runs.

    Attributes
    ----------
    port
        Where it listens.
    process
        Its id.
    """

    port: int
    process: int

    @property
    def core_seconds(self) -> float:
        """What it has taken of the processor so far; 0 where Linux does not tell."""
        return sum(map(_core_seconds, _with_children(self.process)))

    @property
    def megabytes(self) -> float:
        """What memory its processes have of their own, shared pages counted in parts (PSS)."""
        return sum(map(_megabytes, _with_children(self.process)))


def _with_children(process: int) -> list[int]:
    try:
        tasks = Path(f"/proc/{process}/task")
        children = [path.read_text().split() for path in tasks.glob("*/children")]
    except OSError:
        return [process]
    return [process, *(int(each) for some in children for each in some)]


def _core_seconds(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(process: int) -> float:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0


@dataclass
class Measurement:
    """One kind of question, asked again and again.

    Attributes
    ----------
    name
        What is asked of whom.
    service
        Who is asked.
    requests
        With what.
    clients
        By how many at a time.
    loads
        What came of each run.
    core_seconds
        What each run took of the service.
    """

    name: str
    service: Service
    requests: Sequence[bytes]
    clients: int
    loads: list[Load] = field(default_factory=list)
    core_seconds: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Ask once more, after some questions that do not count."""
        asked(self.service.port, self.requests, min(self.clients, 32), WARM_UP_SECONDS)
        before = self.service.core_seconds
        self.loads.append(asked(self.service.port, self.requests, self.clients, seconds))
        self.core_seconds.append(self.service.core_seconds - before)

    @property
    def rates(self) -> list[float]:
        """Answers a second in each run."""
        return [load.rate for load in self.loads]

    def waits(self, share: float) -> list[float]:
        """Return in how many milliseconds such a share was answered in each run."""
        return [load.wait(share) for load in self.loads]

    def line(self) -> str:
        """Return it as a row of Markdown: of each figure the median of the runs."""
        statuses: Counter[int] = sum((load.statuses for load in self.loads), Counter())
        others = [f"{statuses[each]} x {each}" for each in sorted(statuses) if each != 200]
        waits = " | ".join(f"{median(self.waits(share)):.0f}" for share in (0.5, 0.95, 0.99))
        whole = statuses.total()
        own, clients = sum(self.core_seconds), sum(load.core_seconds for load in self.loads)
        return (
            f"| {self.name}, {self.clients} clients | {median(self.rates):.1f} | {waits} | "
            f"{', '.join(others) or '-'} | {1e3 * own / whole:.1f} | {1e3 * clients / whole:.2f} |"
        )


@contextmanager
def running(command: Sequence[str]) -> Iterator[Service]:
    """Run a service for the length of a `with` block."""
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, env=_variables())
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(rb"http://[^:]+:(\d+)", line):
                yield Service(int(found[1]), process.pid)
                return
        raise RuntimeError(f"{' '.join(command)} never listened")
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stderr.close()


def _variables() -> dict[str, str]:
    return {**os.environ, "ENGINE_BACKBONE": BACKBONE, "PYTHONUNBUFFERED": "1"}


def _indexed(pictures: Path, store: str) -> int:
    """Index pictures; return how many these are."""
    index = [*ENGINE, "index", str(pictures), "--store", store, "--json"]
    done = subprocess.run(index, cwd=REPOSITORY, env=_variables(), capture_output=True, check=True)
    return int(json.loads(done.stdout)["added"])


def _measurements(
    data: Path, folder: str, clients: int, processes: Sequence[int], stack: ExitStack
) -> list[Measurement]:
    """Start the services; return what is asked of them."""
    queries = sorted((data / "imagenet300").rglob("*.*"))
    uploads = [request("/v1/search?k=10", "image/jpeg", each.read_bytes()) for each in queries]
    store = str(Path(folder) / "store")
    ids = [
        request("/v1/search?k=10", "application/json", json.dumps({"ids": [each]}).encode())
        for each in range(1, _indexed(data / "catalog", store) + 1)
    ]
    usual = stack.enter_context(running([*USUAL, str(data / "catalog")]))
    found = [Measurement("the usual script, by upload", usual, uploads, clients)]
    for each in processes:
        serve = [*ENGINE, "serve", "--port", "0", "--store", store, "--processes", str(each)]
        own, name = stack.enter_context(running(serve)), "engine"
        if each > 1:
            name = f"engine of {each} processes"
        found += [
            Measurement(f"{name}, by upload", own, uploads, clients),
            Measurement(f"{name}, by id", own, ids, clients),
            Measurement(f"{name}, by upload", own, uploads, 4 * clients),
        ]
    return found


def _draw(measurements: Sequence[Measurement], folder: Path) -> None:
    from benchmarks.plots import bar_chart

    names = [f"{each.name}, {each.clients} clients" for each in measurements]
    rates = list(zip(names, (each.rates for each in measurements), strict=True))
    waits = list(zip(names, (each.waits(0.95) for each in measurements), strict=True))
    own = "engine"
    bar_chart(folder / "serve-rates.png", "Searches over HTTP", "answers a second", rates, own)
    bar_chart(folder / "serve-waits.png", "95 of 100 wait no longer", "ms", waits, own)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--processes", type=int, nargs="+", default=[1], metavar="N")
    parser.add_argument("--plots", type=Path, help="a folder for two plots")
    given = parser.parse_args(arguments)
    data = find_data(given.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="serve-") as folder, ExitStack() as stack:
        measurements = _measurements(data, folder, given.clients, given.processes, stack)
        for _ in range(given.runs):
            for each in measurements:
                each.run(given.seconds)
        megabytes = {each.name: each.service.megabytes for each in measurements}
    print(HEADINGS)
    for each in measurements:
        print(each.line())
    usual = median(measurements[0].rates)
    for each in measurements[1:]:
        if each.requests is measurements[0].requests:
            ratios = ", ".join(f"{rate / usual:.2f}" for rate in each.rates)
            print(f"{each.name}, {each.clients} clients: {ratios} times the usual script's median")
    for name, memory in megabytes.items():
        print(f"{name}: {memory:.0f} MB")
    if given.plots is not None:
        given.plots.mkdir(parents=True, exist_ok=True)
        _draw(measurements, given.plots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
