"""`engine demo`: the whole engine, without pictures and without a network."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.tour import Part, draw_images
from engine import EngineError
from engine.progress import SILENT, Reporter

Run = Callable[..., subprocess.CompletedProcess[bytes]]
# Fewer pictures than the real demo, which leaves those that it finds as they are.
PARTS = (Part("catalog", 4, 0), Part("train", 6, 1), Part("test", 2, 2))
OFFLINE = """
import socket
def refuse(self, address):
    raise OSError("the demo needs no network")
socket.socket.connect = refuse
"""


@pytest.fixture(scope="module")
def demo(
    engine: Run, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    """The demo's folder, and what the command said."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    draw_images(folder, 0, SILENT, PARTS)
    return folder, engine("demo", "--folder", folder, first=OFFLINE)


def test_it_runs_offline(demo: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    folder, done = demo
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode() == f"the page with the pictures: {folder}/index.html\n"


def test_it_tells_the_commands_that_do_the_same(
    demo: tuple[Path, subprocess.CompletedProcess[bytes]],
) -> None:
    text = demo[1].stdout.decode()
    assert text.splitlines()[0].startswith("60 drawn pictures of beds, chairs, lamps")
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


def test_a_search_replaces_a_page_only_when_asked_to(
    demo: tuple[Path, subprocess.CompletedProcess[bytes]], quick: Run, tmp_path: Path
) -> None:
    image, page = next((demo[0] / "test" / "bed").iterdir()), tmp_path / "found.html"
    line = ("search", image, "--store", demo[0] / ".engine", "--html", page)
    assert [quick(*line).returncode, quick(*line).returncode] == [0, 2]
    page.write_text("notes")
    assert (quick(*line).returncode, page.read_text()) == (2, "notes")
    assert (quick(*line, "--force").returncode, page.read_text() == "notes") == (0, False)


def test_a_second_run_draws_nothing_again_and_answers_in_json(
    demo: tuple[Path, subprocess.CompletedProcess[bytes]], quick: Run
) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo[0].rglob("*.jpg")}
    done = quick("demo", "--folder", demo[0], "--json")
    answer = json.loads(done.stdout)
    assert {path: path.stat().st_mtime_ns for path in demo[0].rglob("*.jpg")} == before
    assert (answer["index"]["unchanged"], answer["index"]["embedded"]) == (20, 0)
    assert answer["train"]["categories"] == ["bed", "chair", "lamp", "sofa", "table"]
    assert {"images", "commands", "search", "examples", "evaluation", "joint"} <= set(answer)


def test_a_folder_that_cannot_be_made_is_one_clear_line(quick: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = quick("demo", "--folder", tmp_path / "file" / "demo")
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("error: ")
    assert "should not happen" not in line


def test_another_seed_draws_other_images_and_the_first_seed_the_first_again(
    tmp_path: Path,
) -> None:
    def image(seed: int) -> bytes:
        drawn = draw_images(tmp_path, seed, SILENT, [Part("test", 1, 0)])
        return drawn.first("test", "bed").read_bytes()

    first, other, again = image(0), image(1), image(0)
    assert first != other
    assert first == again


def test_drawing_that_was_broken_off_begins_again(tmp_path: Path) -> None:
    class Impatient(Reporter):
        def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
            if done == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_images(tmp_path, 0, Impatient(), [Part("test", 1, 0)])
    assert draw_images(tmp_path, 0, SILENT, [Part("test", 1, 0)]).count == 5


def test_images_that_the_demo_did_not_draw_are_left(tmp_path: Path) -> None:
    mine = tmp_path / "test" / "bed" / "bed-0001.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(EngineError, match="files that the demo did not draw"):
        draw_images(tmp_path, 0, SILENT, [Part("test", 1, 0)])
    assert mine.read_bytes() == b"mine"


def test_a_page_that_the_demo_did_not_write_is_left(quick: Run, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("my home page")
    done = quick("demo", "--folder", tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"the engine did not write it. Name another place with --folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
