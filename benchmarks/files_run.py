"""How many files a command passes through: those of this project in which a function runs.

    python -m benchmarks.files_run [--names]

The real command line runs on drawn pictures with the fake backbone, each command in a process of
its own, and a profiler notes the file of every function that is called. Module bodies, which run
when a file is imported, do not count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cli", "engine", "index")
BOUNDS = {"index": 32, "search": 24, "classify": 22, "train": 32}

CHILD = """
import inspect, json, sys, threading
from pathlib import Path
root, out, *arguments = sys.argv[1:]
seen = set()
def note(frame, event, argument):
    if event == "call":
        code = frame.f_code
        # Bodies of modules and classes, which run once at import, are no optimized code.
        if code.co_flags & inspect.CO_OPTIMIZED:
            seen.add(code.co_filename)
import cli.main
from engine import engine as facade
from engine.config import Config
from engine.testing import FakeEmbedder
def opened(cls, store=None, *, reporter, **settings):
    config = Config.at(store, **settings)
    return cls(config, reporter, embedder=FakeEmbedder(config, reporter))
facade.Engine.open = classmethod(opened)
threading.setprofile(note)
sys.setprofile(note)
code = cli.main.exit_code(arguments)
sys.setprofile(None)
threading.setprofile(None)
files = sorted(
    str(Path(name).relative_to(root)) for name in seen
    if name.startswith(root) and Path(name).relative_to(root).parts[0] in ("cli", "engine", "index")
)
Path(out).write_text(json.dumps([code, files]))
"""


def files_run(arguments: Sequence[str]) -> list[str]:
    """Return the files in which a function runs while a command does, relative to the project."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "files.json"
        command = [sys.executable, "-c", CHILD, str(ROOT), str(out), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode or not out.exists():
            raise SystemExit(done.stderr)
        code, files = json.loads(out.read_text())
        if code:
            raise SystemExit(f"{' '.join(arguments)} exited with {code}")
    return list(files)


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--names", action="store_true", help="list the files, too")
    asked = parser.parse_args()
    try:
        from demo.catalog import draw_catalog
    except ImportError:
        from engine.demo.catalog import draw_catalog
    with tempfile.TemporaryDirectory() as folder:
        store, images = str(Path(folder) / "store"), Path(folder) / "images"
        draw_catalog(images, per_category=6, seed=7)
        image = str(min(images.rglob("*.jpg")))
        for command in (
            ["index", str(images), "--label", "parent", "--store", store],
            ["search", image, "--store", store],
            ["classify", image, "--store", store],
            ["train", str(images), "--head", "shop", "--store", store],
        ):
            files = files_run(command)
            print(f"{command[0]:9} {len(files):3} files, bound {BOUNDS[command[0]]}")
            if asked.names:
                print("".join(f"    {name}\n" for name in files), end="")


if __name__ == "__main__":
    main()
