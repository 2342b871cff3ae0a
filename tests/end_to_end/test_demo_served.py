"""`engine demo --serve`: the page is up at once, and its catalog fills meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from demo.tour import Part, draw_images
from engine.progress import SILENT
from tests.support import REPOSITORY
from tests.support.command import Run

PATIENCE = 120.0
# Fewer than the real demo, which leaves those that it finds as they are.
PARTS = (Part("catalog", 4, 0), Part("train", 6, 1))
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_cache")]


@contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[str], Any]]]:
    """Run it; what it yields asks for the JSON at a path."""
    command = [sys.executable, "-m", "cli.main", "demo", "--serve", "--port", "0", "--folder"]
    variables = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen([*command, folder], env=variables, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            found = re.search(rb"https?://\S+", process.stderr.readline())
            assert found

            def ask(path: str) -> Any:
                with urlopen(found[0].decode() + path, timeout=PATIENCE) as answer:
                    return json.load(answer)

            yield process, ask
        finally:
            process.kill()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_catalog_fills_and_has_a_head(tmp_path: Path) -> None:
    draw_images(tmp_path / "demo", 0, SILENT, PARTS)
    with served(tmp_path / "demo") as (process, ask):
        until(lambda: len(ask("v1/images")["images"]) == 20)
        until(lambda: [each["name"] for each in ask("v1/heads")] == ["furniture"])
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_it_may_be_ended_at_any_time_and_goes_on(tmp_path: Path, engine: Run) -> None:
    draw_images(tmp_path / "demo", 0, SILENT, PARTS[1:])
    with served(tmp_path / "demo") as (process, ask):
        until(lambda: ask("v1/images")["images"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    told = engine("status", "--store", tmp_path / "demo" / ".engine", "--json")
    assert told.returncode == 0
    before = json.loads(told.stdout)["images"]
    assert before > 0
    with served(tmp_path / "demo") as (_, ask):
        until(lambda: len(ask("v1/images?limit=1000")["images"]) == 120)
