"""A Ray cluster of several nodes on this machine, which ends with a test.

Its processes are those that descend from the ones that are started here; they are killed by their
ids. Nothing is asked of any other Ray.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import REPOSITORY

SECONDS = 90.0
STORE_BYTES = 80_000_000


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A cluster that runs.

    Attributes
    ----------
    address
        As `--cluster` takes it.
    """

    address: str


class NoRayError(Exception):
    """Ray does not start here."""


@contextmanager
def running_ray(nodes: int, cores: int, environment: Mapping[str, str]) -> Iterator[RayCluster]:
    """Run a head without cores, and nodes with some, for the length of a `with` block."""
    # Short: the path of a socket may have some 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="engine-ray-", dir="/tmp"))
    port = _free_port()
    address, started = f"127.0.0.1:{port}", []
    here = ["--node-ip-address=127.0.0.1", "--disable-usage-stats", "--block"]
    here.append(f"--object-store-memory={STORE_BYTES}")
    head = [f"--port={port}", "--head", "--num-cpus=0", "--include-dashboard=false"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "RAY_USAGE_STATS_ENABLED": "0",
        **environment,
    }
    try:
        started.append(_started([*head, f"--temp-dir={folder}", *here], folder, environment))
        _wait_until_listening(port)
        for _ in range(nodes):
            arguments = [f"--address={address}", f"--num-cpus={cores}", *here]
            started.append(_started(arguments, folder, environment))
        yield RayCluster(f"ray://{address}")
    finally:
        _end([process.pid for process in started])
        for process in started:
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _started(
    arguments: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("ray")
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(
            [program, "start", *arguments],
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_until_listening(port: int) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise NoRayError(f"nothing listens on port {port}")


def _end(pids: list[int]) -> None:
    """Kill processes and all that descend from them, the parents first: they would start anew."""
    while pids:
        below = [child for pid in pids for child in _children(pid)]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        pids = below


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found
