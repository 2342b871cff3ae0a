"""How many searches a second a service answers over loopback, and how long each waits.

    python -m benchmarks.serve [--data FOLDER] [--seconds 10] [--clients 32]

The service and the clients are processes on the same cores. Searches with an upload are of
photographs outside the catalog, searches by id of its own images. With four times the clients more
is asked than can be answered: nothing but 200, 429 and 503 may come, and what is accepted is
answered in time. Beside it the usual script: FastAPI, a torch network and a FAISS index.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.settings import REPOSITORY, find_data

BACKBONE = "efficientnet_lite0"
ENGINE = [sys.executable, "-m", "cli.main"]
USUAL = [sys.executable, "-m", "benchmarks.peers.usual_service"]
PATIENCE = 120.0


@dataclass
class Load:
    """What clients were answered.

    Attributes
    ----------
    seconds
        How long they asked.
    statuses
        Answers by status.
    waits
        Seconds until each answer of status 200.
    """

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """Return it as a row of Markdown."""
        rate = self.statuses[200] / self.seconds
        p50, p95, p99 = (1e3 * np.quantile(self.waits or [np.nan], q) for q in (0.5, 0.95, 0.99))
        others = ", ".join(
            f"{count} x {status}"
            for status, count in sorted(self.statuses.items())
            if status != 200
        )
        return f"| {name} | {rate:.1f} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {others or '-'} |"


def request(path: str, kind: str, body: bytes) -> bytes:
    """Return a request as it is sent."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def _client(
    port: int, requests: Sequence[bytes], start: int, until: float, load: Load
) -> None:
    """Ask one request after the other over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    number = start
    try:
        while time.perf_counter() < until:
            began = time.perf_counter()
            writer.write(requests[number % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(found[1]) if found else 0)
            status = int(head.split(b" ", 2)[1])
            load.statuses[status] += 1
            if status == 200:
                load.waits.append(time.perf_counter() - began)
            elif again := re.search(rb"retry-after: (\d+)", head, re.IGNORECASE):
                await asyncio.sleep(float(again[1]) * (0.5 + (number * 0.37) % 1))
            number += 7
    finally:
        writer.close()


async def asked(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Ask with so many clients at once."""
    load = Load(seconds)
    until = time.perf_counter() + seconds
    await asyncio.gather(
        *(_client(port, requests, number, until, load) for number in range(clients))
    )
    return load


@contextmanager
def running(command: Sequence[str]) -> Iterator[int]:
    """Run a service for the length of a `with` block, and return its port."""
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, env=_variables())
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(rb"http://[^:]+:(\d+)", line):
                yield int(found[1])
                return
        raise RuntimeError(f"{' '.join(command)} never listened")
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stderr.close()


def _variables() -> dict[str, str]:
    return {**os.environ, "ENGINE_BACKBONE": BACKBONE, "PYTHONUNBUFFERED": "1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=32)
    given = parser.parse_args(arguments)
    data = find_data(given.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    queries = sorted((data / "imagenet300").rglob("*.*"))
    uploads = [request("/v1/search?k=10", "image/jpeg", each.read_bytes()) for each in queries]
    print(
        "| service | answers/s | p50 ms | p95 ms | p99 ms | others |\n|---|---:|---:|---:|---:|---|"
    )
    with tempfile.TemporaryDirectory(prefix="serve-") as folder:
        store = str(Path(folder) / "store")
        index = [*ENGINE, "index", str(data / "catalog"), "--store", store, "--json"]
        done = subprocess.run(
            index, cwd=REPOSITORY, env=_variables(), capture_output=True, check=True
        )
        count = json.loads(done.stdout)["added"]
        ids = [
            request("/v1/search?k=10", "application/json", json.dumps({"ids": [each]}).encode())
            for each in range(1, count + 1)
        ]
        with running([*ENGINE, "serve", "--port", "0", "--store", store]) as port:
            for name, requests, clients in (
                ("upload", uploads, given.clients),
                ("by id", ids, given.clients),
                ("upload, four times the clients", uploads, 4 * given.clients),
            ):
                asyncio.run(asked(port, requests, given.clients, 2.0))
                load = asyncio.run(asked(port, requests, clients, given.seconds))
                print(load.line(f"engine, {name}, {clients} clients"), flush=True)
    with running([*USUAL, str(data / "catalog")]) as port:
        asyncio.run(asked(port, uploads, given.clients, 2.0))
        load = asyncio.run(asked(port, uploads, given.clients, given.seconds))
        print(load.line(f"the usual script, upload, {given.clients} clients"), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
