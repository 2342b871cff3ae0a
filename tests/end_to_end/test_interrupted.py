"""Ctrl-C: what is finished is kept, and the next run goes on from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine import Engine
from index.catalog.tables.images import Batch, ImageTable
from tests.support import REPOSITORY
from tests.support.crash import PATIENCE, committed, wait_for

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@dataclass(frozen=True)
class Interrupted:
    """A run of `engine index` that was interrupted."""

    store: Path
    code: int
    stdout: bytes
    stderr: bytes


@pytest.fixture(scope="module")
def interrupted(ready: Path, many: Path, tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    """Interrupt a run as soon as something is committed and much is left to do.

    A slow disk is played by a pause before each batch is embedded.
    """
    store = tmp_path_factory.mktemp("interrupted") / "store"
    slow = """
import time
from engine.embedding.embedder import Embedder
from functools import partial
embed = Embedder.embed
def slowly(self, inputs):
    time.sleep(0.3)
    return embed(self, inputs)
Embedder.embed = slowly
from engine import Engine
Engine.open = partial(Engine.open, commit_seconds=0.1)
from cli.main import run
run()
"""
    command = [sys.executable, "-c", slow, "index", str(many), "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        wait_for(lambda: committed(store) > 0, lambda: child.poll() is not None)
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=PATIENCE)
    return Interrupted(store, child.returncode, stdout, stderr)


def test_an_interrupt_is_said_in_one_line_and_no_traceback(interrupted: Interrupted) -> None:
    assert interrupted.code == 130
    assert interrupted.stdout == b""
    assert interrupted.stderr == b"interrupted; everything finished so far is kept\n"


def test_what_was_finished_is_kept(interrupted: Interrupted, quick: Run) -> None:
    status = json.loads(quick("status", "--store", interrupted.store, "--json").stdout)
    assert 0 < status["images"] < 160
    assert (status["embeddings"], status["consistent"]) == (status["images"], True)
    assert status["writer"] is None


def test_the_next_run_completes_and_repeats_nothing(
    interrupted: Interrupted, quick: Run, many: Path
) -> None:
    before = json.loads(quick("status", "--store", interrupted.store, "--json").stdout)["images"]
    done = quick("index", many, "--store", interrupted.store, "--json")
    report = json.loads(done.stdout)
    assert report["images"] == 160
    assert report["embedded"] == 160 - before


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_an_interrupt_around_a_commit_loses_and_repeats_nothing(
    late: bool, fake_engine: Engine, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, times = ImageTable.store, iter([True])

    def interrupted(self: ImageTable, batch: Batch) -> list[int]:
        if not next(times, False):
            return store(self, batch)
        if late:
            store(self, batch)
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageTable, "store", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fake_engine.index([drawn])
    assert fake_engine.status().images == 60
    assert fake_engine.status().consistent


@pytest.mark.skipif(not os.path.exists("/proc/self/syscall"), reason="there is no /proc here")
def test_an_interrupt_while_waiting_for_stdin_is_no_traceback(tmp_path: Path) -> None:
    """A child that waits for its picture on stdin can be interrupted at leisure."""
    command = [sys.executable, "-m", "cli.main", "classify", "-"]
    settings: Any = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(REPOSITORY)}}
    settings |= dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, **settings) as child:
        wait_for(lambda: _reads_stdin(child.pid), lambda: child.poll() is not None)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130
    assert b"Traceback" not in stderr


def _reads_stdin(pid: int) -> bool:
    """Say whether a thread of a process waits in a read from descriptor 0 (Linux)."""
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            words = Path(f"/proc/{pid}/task/{task}/syscall").read_text().split()
        except OSError:
            continue
        if words[:2] == ["0", "0x0"]:
            return True
    return False
