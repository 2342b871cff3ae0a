"""The torture run: every attack in turn, until the time is over and every goal is reached."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Protocol

from tests.torture.case import BAD, GOOD, Result
from tests.torture.crowd import Processes, Threads
from tests.torture.damage import Damage
from tests.torture.kills import Kills
from tests.torture.limits import Limits
from tests.torture.pictures import BATCH, Pictures
from tests.torture.restores import Restores
from tests.torture.strangers import Heads, Tables
from tests.torture.urls import Urls
from tests.torture.weights import Weights

MODULES = (
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin",
    "engine.embedding.choose",
    "engine.heads.classifier",
    "engine.heads.file",
    "engine.ingest.indexer",
    "engine.ingest.relocate",
    "engine.ingest.remove",
    "engine.learning.report",
    "engine.learning.train",
    "engine.learning.train_head",
    "engine.heads.exchange",
    "engine.heads.fitting.fit",
    "engine.heads.outdated",
    "engine.heads.stored",
    "engine.export.export",
    "engine.search.queries",
    "engine.search.search",
    "engine.session.status",
    "faiss",
    "filelock",
    "index.catalog.catalog",
    "index.catalog.sql.rebase",
    "index.catalog.tables.contents",
    "index.catalog.tables.folders",
    "index.catalog.tables.judgements",
    "index.sync",
    "index.vectors.ivf.build",
    "index.vectors.faiss_index",
    "sqlalchemy.dialects.sqlite",
    "torch",
)
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "TORTURE.md"


class Attack(Protocol):
    """One kind of harm.

    Attributes
    ----------
    name
        What it is called on the command line.
    goal
        How many cases half an hour is for.
    """

    name: str
    goal: int

    def strike(self, rng: Random, folder: Path) -> Result:
        """Do harm in a folder that does not exist yet, and say what became of it."""


ATTACKS: Sequence[Callable[[Path], Attack]] = (
    Kills,
    Damage,
    Pictures,
    Heads,
    Weights,
    Tables,
    Urls,
    Limits,
    Restores,
    Processes,
    Threads,
)


class Tally:
    """What became of the cases so far, kept in a file so that a run can be resumed."""

    def __init__(self, file: Path | None, seed: int) -> None:
        self._file = file
        self.seed = seed
        self.counts: dict[str, Counter[str]] = {}
        self.failures: list[str] = []
        self.seconds = 0.0
        if file is not None and file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            self.seed, self.failures, self.seconds = kept["seed"], kept["failures"], kept["seconds"]
            self.counts = {name: Counter(counts) for name, counts in kept["counts"].items()}

    def done(self, name: str) -> int:
        """Return how many cases of an attack there were."""
        return self.counts.setdefault(name, Counter()).total()

    def note(self, name: str, case: int, result: Result) -> None:
        """Count a case."""
        self.counts[name][result.outcome] += 1
        if result.outcome in BAD:
            failure = f"--only {name} --case {case}: {result.outcome}: {result.detail}"
            self.failures.append(failure)
            print(failure, flush=True)

    def save(self) -> None:
        """Write it."""
        if self._file is not None:
            kept = {name: getattr(self, name) for name in ("seed", "failures", "seconds", "counts")}
            self._file.write_text(json.dumps(kept), encoding="utf-8")

    def table(self) -> str:
        """Return the counts as a table."""
        heads = ["attack", "tried", *GOOD, *BAD]
        rows = [
            [name, str(counts.total()), *(str(counts[outcome]) for outcome in (*GOOD, *BAD))]
            for name, counts in self.counts.items()
        ]
        lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def import_everything() -> None:
    """Import what cases use, so that no fork spends its time on that; nothing is started by it."""
    for name in MODULES:
        import_module(name)


def torture(
    tally: Tally,
    minutes: float,
    only: Sequence[str] = (),
    case: int | None = None,
    share: float | None = None,
) -> None:
    """Attack until the time is over, each kind as often in proportion to its goal.

    Parameters
    ----------
    share
        Of each goal to reach instead, however long it takes.
    """
    import_everything()
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        folder = Path(name).resolve()
        attacks = [make(_made(folder / make.__name__)) for make in ATTACKS if _wanted(make, only)]
        end, began = time.monotonic() + 60 * minutes, time.monotonic()
        while share is not None or time.monotonic() < end:
            attack = min(attacks, key=lambda each: tally.done(each.name) / each.goal)
            if share is not None and tally.done(attack.name) >= share * attack.goal:
                break
            number = tally.done(attack.name) if case is None else case
            place = folder / "case"
            rng = Random(f"{tally.seed} {attack.name} {number}")
            tally.note(attack.name, number, attack.strike(rng, place))
            shutil.rmtree(place, ignore_errors=True)
            if case is not None:
                break
        tally.seconds += time.monotonic() - began
        tally.save()


def _wanted(make: Callable[[Path], Attack], only: Sequence[str]) -> bool:
    return not only or make.name in only  # type: ignore[attr-defined]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 where one case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--share", type=float, help="of the cases of half an hour, instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], metavar="ATTACK")
    parser.add_argument("--case", type=int, help="this case alone")
    parser.add_argument("--state", type=Path, help="go on from here, and write it here")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    asked = parser.parse_args(arguments)
    tally = Tally(asked.state, asked.seed)
    try:
        torture(tally, asked.minutes, asked.only, asked.case, asked.share)
    except KeyboardInterrupt:
        tally.save()
        return 130
    print(tally.table())
    print(f"{tally.seconds / 60:.0f} minutes, seed {tally.seed}; pictures in batches of {BATCH}")
    if asked.write:
        RESULTS.write_text(_page(tally), encoding="utf-8")
    return 1 if tally.failures else 0


def _page(tally: Tally) -> str:
    cores = os.cpu_count()
    return (
        "# Torture\n\n"
        f"`make torture`, {tally.seconds / 60:.0f} minutes on {cores} cores, seed {tally.seed}. "
        f"`pictures` counts batches of {BATCH}. What the outcomes mean stands in "
        "`tests/torture/__init__.py`, what is promised in "
        "[reliability](../../docs/reliability.md).\n\n"
        f"{tally.table()}\n" + "".join(f"\n* {failure}" for failure in tally.failures)
    )


if __name__ == "__main__":
    sys.exit(main())
