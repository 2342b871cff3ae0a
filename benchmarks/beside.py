"""This working tree beside another checkout of the project, process by process, in turn.

    git worktree add ../before COMMIT
    python -m benchmarks.beside ../before --photos FOLDER [--pairs 15]

Bounds of a few percent drown in what a machine does from minute to minute. So both are run one
after the other, first the one, then the other, and the median of the ratios is what counts. Each
has a store and a cache of its own, of the same pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
RUN = 'import sys; from cli.main import run; sys.argv[0] = "engine"; run()'


class Checkout:
    """One of the two, with a folder of its own.

    Parameters
    ----------
    code
        The checkout.
    folder
        Where its store and its cache lie.
    """

    def __init__(self, code: Path, folder: Path) -> None:
        self._folder = folder
        self.store = folder / "store"
        own = {
            "PYTHONPATH": str(code),
            "PYTHONSAFEPATH": "1",
            "ENGINE_CACHE": str(folder / "cache"),
        }
        self._variables = {**os.environ, **own}
        self._variables.pop("ENGINE_STORE", None)

    def seconds(self, *line: object) -> float:
        """Run `engine` with these words; return how long the process took."""
        began = time.perf_counter()
        self._run(*line)
        return time.perf_counter() - began

    def images_per_second(self, photos: Path) -> float:
        """Index the photographs into a new store; return what the command reports."""
        store = self._folder / "new"
        shutil.rmtree(store, ignore_errors=True)
        report = json.loads(self._run("index", photos, "--store", store, "--json"))
        return float(report["images_per_second"])

    def _run(self, *line: object) -> str:
        command = [sys.executable, "-c", RUN, *map(str, line)]
        done = subprocess.run(
            command, env=self._variables, cwd=self._folder, capture_output=True, check=True
        )
        return done.stdout.decode()


def compare(name: str, pairs: int, before: Callable[[], float], now: Callable[[], float]) -> str:
    """Measure both in turn, after one run of each that does not count; return a line."""
    before(), now()
    measured: list[tuple[float, float]] = []
    for number in range(pairs):
        if number % 2:
            one = before()
            measured.append((one, now()))
        else:
            other = now()
            measured.append((before(), other))
    olds, news = zip(*measured, strict=True)
    ratio = median(new / old for old, new in measured)
    return f"{name}: {median(olds):.3f} -> {median(news):.3f}, median ratio {ratio:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare search, classify, --help and images/s."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=__doc__)
    parser.add_argument("other", type=Path, help="another checkout of the project")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--pairs", type=int, default=15)
    asked = parser.parse_args(arguments)
    photos = asked.photos.resolve()
    files = sorted(path for path in photos.rglob("*") if path.is_file())
    query = files[len(files) // 2]
    with tempfile.TemporaryDirectory(prefix="beside-") as name:
        both = []
        for kind, code in (("before", asked.other.resolve()), ("now", HERE)):
            (Path(name) / kind).mkdir()
            both.append(Checkout(code, Path(name) / kind))
            both[-1].seconds("index", photos, "--store", both[-1].store)
        old, new = both
        for verb in ("search", "classify"):
            print(
                compare(
                    f"{verb}, seconds",
                    asked.pairs,
                    lambda verb=verb: old.seconds(verb, query, "--store", old.store),
                    lambda verb=verb: new.seconds(verb, query, "--store", new.store),
                ),
                flush=True,
            )
        help_of = (lambda: old.seconds("--help")), (lambda: new.seconds("--help"))
        print(compare("--help, seconds", asked.pairs, *help_of), flush=True)
        rates = (lambda: old.images_per_second(photos)), (lambda: new.images_per_second(photos))
        print(compare("index, images/s", asked.pairs, *rates), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
