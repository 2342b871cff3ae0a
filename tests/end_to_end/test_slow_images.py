"""Pictures whose decoding takes for ever hold up no run, no query, no Ctrl-C and no exit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from PIL import Image

from tests.support import REPOSITORY
from tests.support.slow import slow_jpeg

Run = Callable[..., subprocess.CompletedProcess[bytes]]

# Native code that takes ten minutes, and lets nothing of Python come to it.
ENDLESS = """
import ctypes, sys
from PIL import PngImagePlugin
def load(self):
    print("decoding", file=sys.stderr, flush=True)
    ctypes.CDLL(None).sleep(600)
PngImagePlugin.PngImageFile.load = load
"""
# Much less than that, and much more than a slow machine takes for the rest.
SOON = 60.0


@pytest.fixture
def endless(images: Path) -> Path:
    """Twelve pictures, and one in their midst that is decoded for ever."""
    Image.new("RGB", (8, 8)).save(images / "chair" / "chair-0002-endless.png")
    return images


def _started(first: str, *arguments: str | Path, **settings: Any) -> subprocess.Popen[bytes]:
    script = f"{first}\nfrom cli.main import run\nrun()"
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=pipe, stderr=pipe, **settings)


def _read_until(said: bytes, stream: IO[bytes] | None) -> None:
    assert stream is not None
    while line := stream.readline():
        if said in line:
            return
    pytest.fail("it ended before")


def test_a_run_ends_with_the_other_pictures(ready: Path, endless: Path, tmp_path: Path) -> None:
    line = ("index", endless, "--store", tmp_path / "store", "--decode-seconds", "0.5", "--json")
    with _started(ENDLESS, *line) as child:
        stdout, _ = child.communicate(timeout=SOON)
    report = json.loads(stdout)
    assert (child.returncode, report["added"]) == (3, 12)
    [skip] = report["skipped"]
    assert Path(skip["path"]).name == "chair-0002-endless.png"
    assert skip["reason"] == "it took longer than 0.5 s to open"
    assert "--decode-seconds" in skip["hint"]


def test_a_query_is_refused(ready: Path, endless: Path, trained: Path) -> None:
    for verb in ("search", "classify"):
        query = endless / "chair" / "chair-0002-endless.png"
        line = (verb, query, "--store", trained, "--decode-seconds", "0.5")
        with _started(ENDLESS, *line) as child:
            stdout, stderr = child.communicate(timeout=SOON)
        assert (child.returncode, stdout) == (1, b"")
        assert stderr.splitlines()[-1].startswith(
            b"error: " + bytes(query) + b": it took longer than 0.5 s to open. "
        )


def test_ctrl_c_ends_a_run_at_once(ready: Path, endless: Path, tmp_path: Path) -> None:
    with _started(ENDLESS, "index", endless, "--store", tmp_path / "store") as child:
        _read_until(b"decoding", child.stderr)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=SOON)
    assert child.returncode == 130
    assert stderr == b"interrupted; everything finished so far is kept\n"


def test_ctrl_c_ends_a_query_that_waits_for_standard_input(ready: Path, trained: Path) -> None:
    first = """
import sys
from engine.pictures import read
class Noting(type(sys.stdin.buffer)):
    def read(self, size):
        print("reading", file=sys.stderr, flush=True)
        return super().read(size)
class Stdin:
    buffer = Noting(sys.stdin.buffer.raw)
sys.stdin = Stdin()
"""
    line = ("search", "-", "--store", trained)
    with _started(first, *line, stdin=subprocess.PIPE) as child:
        _read_until(b"reading", child.stderr)
        child.send_signal(signal.SIGINT)
        child.wait(SOON)
        assert child.stdin is not None and child.stderr is not None
        said = child.stderr.read()
    assert (child.returncode, said) == (130, b"interrupted; everything finished so far is kept\n")


def test_a_program_of_ones_own_ends_as_well(ready: Path, endless: Path, tmp_path: Path) -> None:
    script = f"""{ENDLESS}
import sys
from engine import Engine
with Engine.open(sys.argv[1], decode_seconds=0.5) as engine:
    print(engine.index([sys.argv[2]]).added)
"""
    command = [sys.executable, "-c", script, tmp_path / "store", endless]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=SOON, check=False)
    assert (done.returncode, done.stdout) == (0, b"12\n"), done.stderr


def test_a_url_of_a_slow_picture_is_refused(
    engine: Run, trained: Path, site: Any, tmp_path: Path
) -> None:
    site.serve("/slow.jpg", slow_jpeg(tmp_path / "slow.jpg").read_bytes())
    line = ("search", f"{site.url}/slow.jpg", "--store", trained, "--decode-seconds", "0.2")
    began = time.monotonic()
    done = engine(*line)
    assert time.monotonic() - began < SOON
    assert done.returncode == 1
    assert b"slow.jpg: it took longer than 0.2 s to open" in done.stderr
