"""A child that was forked from a process which used an engine can use it, too, and ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="this system does not fork"),
]

SCRIPT = """
import os, sys
from pathlib import Path
from threading import Thread
from engine import Config, Engine
from engine.testing import FakeEmbedder

folder, images, kind, child, ending = sys.argv[1:]
config = Config.at(folder, index="compressed", backbone=None if kind == "fake" else kind)
engine = Engine(config, embedder=FakeEmbedder(config) if kind == "fake" else None)
pictures = sorted(map(str, Path(images).rglob("*.jpg")))

VERBS = {
    "search": lambda engine: engine.search(pictures[0], k=1).results[0].path == pictures[0],
    "classify": lambda engine: len(engine.classify(pictures[:40], k=1)) == 40,
    "index": lambda engine: engine.index([images]).unchanged == len(pictures),
    "remove": lambda engine: engine.remove(pictures[:20]).removed == 20,
    "index again": lambda engine: engine.index([images]).added == 20,
    "duplicates": lambda engine: engine.duplicates() is not None,
    "status": lambda engine: engine.status().consistent,
}
engine.index([images])
assert VERBS["search"](engine) and VERBS["classify"](engine)

def use() -> None:
    other = engine if child != "new" else Engine(config)
    for name, verb in VERBS.items():
        assert verb(other), name
        print(name, flush=True)
    other.close()

pid = os.fork()
if pid:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert VERBS["search"](engine) and VERBS["index"](engine) and VERBS["classify"](engine)
    engine.close()
    print("parent", code, flush=True)
    sys.exit(0)
if child == "thread":
    thread = Thread(target=use)
    thread.start()
    thread.join()
elif child != "nothing":
    use()
if ending == "at once":
    os._exit(0)
"""
LINES = ["search", "classify", "index", "remove", "index again", "duplicates", "status"]


def _forked(tmp_path: Path, images: Path, kind: str, child: str, ending: str) -> list[str]:
    arguments = [str(tmp_path / "store"), str(images), kind, child, ending]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("kind", "child", "ending"),
    [
        ("fake", "same", "as python does"),
        ("efficientnet_lite0", "same", "at once"),
        ("efficientnet_lite0", "same", "as python does"),
        ("efficientnet_lite0", "thread", "as python does"),
    ],
)
def test_a_forked_child_uses_the_engine_of_its_parent(
    tmp_path: Path, drawn: Path, kind: str, child: str, ending: str
) -> None:
    assert _forked(tmp_path, drawn, kind, child, ending) == [*LINES, "parent 0"]


def test_a_forked_child_opens_an_engine_of_its_own(tmp_path: Path, drawn: Path) -> None:
    said = _forked(tmp_path, drawn, "efficientnet_lite0", "new", "as python does")
    assert said == [*LINES, "parent 0"]


def test_a_forked_child_that_uses_no_engine_ends_as_it_would(tmp_path: Path, drawn: Path) -> None:
    said = _forked(tmp_path, drawn, "efficientnet_lite0", "nothing", "as python does")
    assert said == ["parent 0"]
