"""Commands that write a page: whose files they replace, and when they find that they may not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import Engine

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file that the engine did not write."""
    (tmp_path / "mine.html").write_text("notes")
    return tmp_path / "mine.html"


@pytest.fixture
def store(fake_engine: Engine, images: Path) -> Path:
    """A store with the head `shop`."""
    fake_engine.train(images, head="shop")
    return fake_engine.config.store.folder


@pytest.mark.slow
def test_a_report_leaves_a_file_of_somebody_else(quick: Run, store: Path, mine: Path) -> None:
    done = quick("report", "shop", "--store", store, "--html", mine)
    assert (done.returncode, mine.read_text()) == (1, "notes")
    said = f"error: {mine}: this file exists, and the engine did not write it. Name another file"
    assert done.stderr.decode().startswith(said)


@pytest.mark.slow
def test_a_report_replaces_its_own_pages_and_others_where_that_is_asked_for(
    quick: Run, store: Path, mine: Path
) -> None:
    line = ("report", "shop", "--store", store, "--html", mine)
    assert quick(*line, "--force").returncode == 0
    assert "<title>The head shop</title>" in mine.read_text(encoding="utf-8")
    assert quick(*line).returncode == 0


def test_a_comparison_finds_out_before_it_learns_anything(
    quick: Run, mine: Path, tmp_path: Path
) -> None:
    line = ("compare", tmp_path / "no such folder", "--html", mine)
    assert b"the engine did not write it" in quick(*line).stderr
    assert b"the engine did not write it" not in quick(*line, "--force").stderr
    assert mine.read_text() == "notes"
