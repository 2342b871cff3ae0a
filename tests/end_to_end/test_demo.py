"""`engine demo`: the whole engine, without pictures and without a network."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.tour import draw_images
from engine.progress import SILENT

Run = Callable[..., subprocess.CompletedProcess[bytes]]
PARTS = {"catalog": (4, 0), "train": (6, 1), "test": (2, 2)}
# Fewer pictures than the real demo, and no way to reach anybody.
SMALL_AND_OFFLINE = f"""
import socket
def refuse(self, address):
    raise OSError("the demo needs no network")
socket.socket.connect = refuse
import demo.tour
demo.tour.PARTS = {PARTS}
"""


@pytest.fixture(scope="module")
def demo(
    engine: Run, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    """The demo's folder, and what the command said."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    return folder, engine("demo", "--folder", folder, first=SMALL_AND_OFFLINE)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw fewer pictures."""
    monkeypatch.setattr("demo.tour.PARTS", PARTS)


def test_it_runs_offline(demo: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    folder, done = demo
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode() == f"the page with the pictures: {folder}/index.html\n"


def test_it_tells_the_commands_that_do_the_same(
    demo: tuple[Path, subprocess.CompletedProcess[bytes]],
) -> None:
    text = demo[1].stdout.decode()
    for command in ("index", "search", "train", "classify", "evaluate"):
        assert f"$ engine {command} " in text


def test_it_leaves_a_page_with_every_test_image(
    demo: tuple[Path, subprocess.CompletedProcess[bytes]],
) -> None:
    page = (demo[0] / "index.html").read_text(encoding="utf-8")
    assert page.endswith("</html>\n")
    assert page.count("<img ") == 6 + 10


def test_its_commands_can_be_typed(
    demo: tuple[Path, subprocess.CompletedProcess[bytes]],
    quick: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(demo[0])
    lines = [
        line.split("$ engine ")[1] for line in demo[1].stdout.decode().splitlines() if "$" in line
    ]
    for line in lines:
        assert quick(*line.split()).returncode == 0, line
    assert (demo[0] / "found.html").exists()


def test_a_second_run_draws_nothing_again_and_answers_in_json(
    demo: tuple[Path, subprocess.CompletedProcess[bytes]], quick: Run, small: None
) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo[0].rglob("*.jpg")}
    done = quick("demo", "--folder", demo[0], "--json")
    answer = json.loads(done.stdout)
    assert {path: path.stat().st_mtime_ns for path in demo[0].rglob("*.jpg")} == before
    assert (answer["index"]["unchanged"], answer["index"]["embedded"]) == (20, 0)
    assert answer["train"]["categories"] == ["bed", "chair", "lamp", "sofa", "table"]
    assert {"images", "commands", "search", "examples", "evaluation", "joint"} <= set(answer)


def test_a_folder_that_cannot_be_made_is_one_clear_line(
    quick: Run, small: None, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = quick("demo", "--folder", tmp_path / "file" / "demo")
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("error: ")
    assert "should not happen" not in line


def test_another_seed_draws_other_images_and_the_first_seed_the_first_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.tour.PARTS", {"test": (1, 0)})

    def image(seed: int) -> bytes:
        return draw_images(tmp_path, seed, SILENT).first("test", "bed").read_bytes()

    first, other, again = image(0), image(1), image(0)
    assert first != other
    assert first == again
