"""Too little of everything: disk, handles, memory."""

from __future__ import annotations

import resource
from pathlib import Path
from random import Random

from tests.torture.case import Result, run
from tests.torture.stores import Shop, check, make_shop


class Limits:
    """An index run and a search under a limit of the system, and the store afterwards."""

    name, goal = "limits", 100

    def __init__(self, folder: Path) -> None:
        self._shop = make_shop(folder / "limits", 40)

    def strike(self, rng: Random, folder: Path) -> Result:
        """Index and search under a limit; without it, everything must be as it should be."""
        shop = self._shop.copy(folder)
        shop.draw(range(1000, 1020))
        kind = rng.choice([resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_AS])
        if kind == resource.RLIMIT_FSIZE:
            most = rng.randrange(1, 400_000)
        elif kind == resource.RLIMIT_NOFILE:
            most = rng.randrange(8, 40)
        else:
            most = _address_space() + rng.randrange(1 << 20, 400 << 20)
        starved = run(lambda: _starved(shop, kind, most))
        if starved.outcome not in ("survived", "noticed"):
            return Result(starved.outcome, f"limit {kind} of {most}: {starved.detail}")
        after = run(lambda: _healthy(shop))
        outcome = starved.outcome if after.outcome == "survived" else after.outcome
        return Result(outcome, f"after limit {kind} of {most}: {after.detail}")


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _starved(shop: Shop, kind: int, most: int) -> str:
    resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
    with shop.opened() as (engine, _):
        report = engine.index([shop.folder / "shop"], label="parent")
    return check(shop, [5]) if not report.skipped else "noticed"


def _healthy(shop: Shop) -> str:
    with shop.opened() as (engine, _):
        engine.index([shop.folder / "shop"], label="parent")
        status = engine.status()
        if not status.consistent:
            return "wrong"
    return check(shop, [1, 2, 1005])
