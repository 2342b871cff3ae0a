"""Nothing that files are called reaches a terminal as anything but text.

The real command runs on a pseudo-terminal, and in pipes, over pictures, folders, labels and tables
whose names hold whatever moves a terminal.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")

Run = Callable[..., subprocess.CompletedProcess[bytes]]
# A title that is set, a screen that is cleared, both sets of control characters, DEL, and marks
# that turn the direction of writing.
NAMES = (
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[31mred",
    "\x9b31mred",
    "\x90q\x9c",
    "del\x7f\x08\x08\x08ok",
    "a\rb",
    "two\nlines",
    "gpj.\u202eexe",
    "\u2066isolated",
    "=1+1\x1b[0m",
)
# Every command in one process, as starting takes longest.
SCRIPT = """
import json, sys
from cli.main import exit_code
for arguments in json.loads(sys.argv[1]):
    print(json.dumps(exit_code(arguments)), flush=True)
"""


@pytest.fixture(scope="module")
def hostile(ready: Path, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with hostile names: pictures in folders that are labels, and damaged ones."""
    root = tmp_path_factory.mktemp("hostile") / f"root{NAMES[0]}"
    sources = sorted(drawn.rglob("*.jpg"))
    for number, name in enumerate(NAMES):
        # Few enough categories that each has enough pictures.
        folder = root / f"label{NAMES[number % 3]}"
        folder.mkdir(parents=True, exist_ok=True)
        for copy in range(3):
            source = sources[12 * (number % 3) + number + copy]
            shutil.copy(source, folder / f"{name}-{copy}.jpg")
        (folder / f"{name} damaged.jpg").write_bytes(b"\xff\xd8\xff no picture")
    shutil.copy(sources[0], root / "twin\x1b[1m.jpg")
    shutil.copy(sources[0], root / "twin\x9b1m.jpg")
    (root / "labels\x1b[5m.csv").write_text(
        "path,label\ngone\x1b[5m.jpg,x\ntwin\x1b[1m.jpg,\x1b[5mblinking\x9b\n", encoding="utf-8"
    )
    return root


def commands(root: Path, store: Path) -> Iterator[list[str]]:
    """Every command that says something of files, labels, categories, heads and errors."""
    folders = str(root)
    picture = str(root / "twin\x1b[1m.jpg")
    page, vectors = str(store.parent / "page\x1b[2J.html"), str(store.parent / "out\x1b[2J.npy")
    head = str(store.parent / "head\x1b[2J.safetensors")
    at = ["--store", str(store)]
    yield ["index", folders, "--label", "parent", *at]
    yield ["index", folders, "--label", str(root / "labels\x1b[5m.csv"), *at]
    yield ["index", f"{folders}/gone\x1b[2J", *at]
    yield ["status", *at]
    for form in ([], ["--json"], ["--csv"], ["--paths"], ["--paths", "-0"]):
        yield ["search", picture, "-k", "50", *form, *at]
        yield ["duplicates", "--level", "copy", *form, *at]
    yield ["search", picture, "--html", page, *at]
    yield ["search", f"{picture}gone", *at]
    yield ["search", picture, "--where", "label=\x1b[2J", *at]
    yield ["search", picture, "--where", "\x1b[2J=1", *at]
    yield ["search", picture, "--category", "\x1b[2J", *at]
    yield ["search", "http://127.0.0.1:9/\x1b[2J.jpg", *at]
    yield ["train", folders, "--head", "rooms", "--min-images", "2", *at]
    yield ["train", folders, "--head", "\x1b[2J", *at]
    for form in ([], ["--json"], ["--csv"]):
        yield ["classify", picture, str(root / "none\x9b.jpg"), *form, *at]
    yield ["heads", "list", *at]
    yield ["heads", "show", "rooms", *at]
    yield ["heads", "show", "\x1b[2J", *at]
    yield ["heads", "export", "rooms", head, *at]
    yield ["heads", "import", head, "--name", "again", *at]
    yield ["heads", "import", f"{head}gone", *at]
    yield ["heads", "delete", "again", *at]
    yield ["report", "rooms", *at]
    yield ["evaluate", folders, "--head", "rooms", *at]
    yield ["export", vectors, *at]
    yield ["export", vectors, *at]
    yield ["backbones", "import", "resnet50", f"{head}\x9b", "--json"]
    yield ["remove", f"{folders}/none\x1b[2J", *at]
    yield ["relocate", f"{folders}/label{NAMES[0]}", f"{folders}/moved\x1b[2J", *at]
    yield ["remove", folders, *at]
    yield ["status", "\x1b[2J"]
    yield ["\x1b[2J"]
    yield ["search", picture, "--\x1b[2J"]
    yield ["status", "--store", f"{store}\x1b[2J"]


def harmful(output: bytes) -> list[str]:
    """Return the lines that hold what moves a terminal; bytes that are no UTF-8 do, too."""
    text = output.decode("utf-8", "surrogateescape")
    return [line for line in text.split("\n") if not line.isprintable()]


def environment() -> dict[str, str]:
    """Return one in which we ourselves neither colour nor draw."""
    changes = {"PYTHONPATH": str(REPOSITORY), "TERM": "dumb", "NO_COLOR": "1"}
    return os.environ | changes | {"ENGINE_DEBUG": "1"}


def on_a_terminal(asked: list[list[str]]) -> bytes:
    """Run commands on a pseudo-terminal, and return all that it was sent."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", SCRIPT, json.dumps(asked)]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment()
    )
    os.close(theirs)
    output = b""
    # Where the other end is closed, Linux says EIO.
    try:
        while some := os.read(ours, 65536):
            output += some
    except OSError:
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return output


def codes(output: bytes) -> list[int]:
    return [int(line) for line in output.decode("utf-8", "replace").split() if line.isdecimal()]


def test_on_a_terminal_no_name_is_more_than_text(hostile: Path, tmp_path: Path) -> None:
    asked = list(commands(hostile, tmp_path / "store"))
    output = on_a_terminal(asked)
    # A terminal ends lines by both, and after those of CSV by one more.
    lines = output.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n")
    assert harmful(lines.replace(b"\0", b"")) == []
    # They did what they are for, and named what they were asked for.
    assert b"\\x1b[2J\\x1b[31mred" in output
    assert output.count(b"\\x1b") > 100
    assert output.count(b"\\x9b") > 10
    assert output.count(b"\\u202e") > 10


def test_in_a_pipe_people_read_nothing_but_text(hostile: Path, tmp_path: Path) -> None:
    asked = list(commands(hostile, tmp_path / "store"))
    for_people = [each for each in asked if not {"--csv", "--paths"} & set(each)]
    # To look for the best way to train says nothing more of names.
    for_people = [[*each, "--fast"] if each[0] == "train" else each for each in for_people]
    command = [sys.executable, "-c", SCRIPT, json.dumps(for_people)]
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode("utf-8", "backslashreplace")
    assert harmful(done.stdout) == []
    assert harmful(done.stderr) == []
    assert len(codes(done.stdout)) >= len(for_people)


def test_in_a_pipe_programs_read_the_names_as_they_are(
    engine: Run, hostile: Path, tmp_path: Path
) -> None:
    at = ("--store", tmp_path / "store")
    assert engine("index", hostile, *at).returncode == 3
    picture = hostile / "twin\x1b[1m.jpg"
    found = engine("search", picture, "-k", "50", "--paths", "-0", *at).stdout
    good = [os.fsencode(path) for path in hostile.rglob("*.jpg") if "damaged" not in path.name]
    assert sorted(found.split(b"\0")[:-1]) == sorted(good)
    assert len(good) == 3 * len(NAMES) + 2
