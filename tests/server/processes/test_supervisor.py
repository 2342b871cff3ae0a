"""Several processes: none answers for one that cannot begin, and all end together."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socket
from typing import NoReturn

import pytest

from server.options import ServerLimits, ServerOptions
from server.processes.supervisor import MOST_RESTARTS, Supervisor, Work

pytestmark = pytest.mark.slow
OPTIONS = ServerOptions(port=0, limits=ServerLimits(stop_seconds=1))


def fails(bound: socket, options: ServerOptions, said: Connection) -> NoReturn:
    """End before it can answer."""
    sys.exit(7)


def dies(bound: socket, options: ServerOptions, said: Connection) -> NoReturn:
    """End by itself after it could answer."""
    with suppress(BrokenPipeError):  # once all have begun, nobody listens
        said.send(None)
    os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(0)


def ran(work: Work, processes: int = 2) -> tuple[int, list[ServerOptions], list[str]]:
    """Run a supervisor; return its exit code, when it listened, and what it has said."""
    listened, said = list[ServerOptions](), list[str]()
    code = Supervisor(processes, OPTIONS, work, said.append).run(listened.append)
    return code, listened, said


def test_where_a_process_cannot_begin_its_exit_code_is_all() -> None:
    assert ran(fails) == (7, [], [])


def test_processes_that_go_on_dying_end_the_service() -> None:
    code, listened, said = ran(dies)
    assert (code, len(listened), len(said)) == (1, 1, MOST_RESTARTS + 1)
    assert all("signal 9" in each for each in said)
    assert said[-1].startswith("error: process ")


def first_interrupts(bound: socket, options: ServerOptions, said: Connection) -> NoReturn:
    """Press Ctrl-C before any process can answer."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getppid(), signal.SIGINT)
    while True:
        time.sleep(1)


def test_who_interrupts_the_start_ends_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    # One process: a second one's signal could come when nothing catches it any more.
    assert ran(first_interrupts, processes=1) == (0, [], [])
    assert signal.getsignal(signal.SIGINT) is before


def test_what_each_process_takes_on_is_a_share() -> None:
    limits = ServerLimits(threads=8, reading_threads=8)
    for processes in (2, 3, 8):
        each = limits.of_each(processes)
        assert 2 <= each.threads <= max(2, 8 // processes)
        assert each.all_bodies_bytes >= 2 * each.upload_bytes
        assert each.thumbnail_bytes * processes <= limits.thumbnail_bytes
        assert each.stop_seconds < limits.stop_seconds


def test_nothing_is_left_of_what_processes_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ran(fails)
    assert list(tmp_path.iterdir()) == []
