"""Commands that write a file: none is written over, and that is found before any work is done."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import Engine

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file that is not to be lost."""
    (tmp_path / "mine.html").write_text("notes")
    return tmp_path / "mine.html"


@pytest.fixture
def store(fake_engine: Engine, images: Path) -> Path:
    """A store with the head `shop`."""
    fake_engine.train(images, head="shop")
    return fake_engine.config.store.folder


@pytest.mark.parametrize("line", ["search I --html F", "compare I --html F", "report x --html F"])
def test_a_page_finds_out_before_anything_is_done(quick: Run, mine: Path, line: str) -> None:
    words = {"I": mine.parent / "no such", "F": mine}
    command = [words.get(word, word) for word in line.split()]
    done = quick(*command)
    assert (done.returncode, mine.read_text()) == (2, "notes")
    assert done.stderr.decode().startswith(f"error: {mine}: exists already. Name another file")
    assert b"exists already" not in quick(*command, "--force").stderr
    assert mine.read_text() == "notes"


@pytest.mark.slow
def test_a_report_replaces_a_page_where_that_is_asked_for(
    quick: Run, store: Path, mine: Path
) -> None:
    line = ("report", "shop", "--store", store, "--html", mine)
    assert quick(*line, "--force").returncode == 0
    assert "<title>The head shop</title>" in mine.read_text(encoding="utf-8")
    assert quick(*line).returncode == 2


@pytest.mark.slow
def test_a_head_is_not_written_over_a_file(quick: Run, store: Path, mine: Path) -> None:
    line = ("heads", "export", "shop", mine, "--store", store)
    assert (quick(*line).returncode, mine.read_text()) == (2, "notes")
    assert quick(*line, "--force").returncode == 0
