"""Older copies put back, and logs that were lost: the index must never show another history."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

from tests.torture.case import Result, run
from tests.torture.stores import Shop, check, make_shop

PARTS = ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "index")


class Restores:
    """Parts of a store that are put back, or lost, while others went on."""

    name, goal = "restores", 100

    def __init__(self, folder: Path) -> None:
        self._shop = make_shop(folder / "restores", 30)

    def strike(self, rng: Random, folder: Path) -> Result:
        """Let the store go one way, put parts of it back, and let it go another way."""
        shop = self._shop.copy(folder)
        steps = [rng.choice(["add", "add", "remove"]) for _ in range(3)]
        lost = rng.random() < 0.5
        part = rng.choice(PARTS)
        seed = rng.random()

        def judge() -> str:
            first, second = Random(f"{seed} one"), Random(f"{seed} two")
            before = folder / "before"
            if lost:
                _go_on_without_a_checkpoint(shop, first, steps)
                (shop.store / "catalog.sqlite-wal").unlink(missing_ok=True)
            else:
                shutil.copytree(shop.store, before)
                _go_on(shop, first, steps)
                _put_back(before, shop.store, part)
            _go_on(shop, second, steps)
            probes = [content for content in shop.contents if shop.path(content).exists()]
            return check(shop, second.sample(probes, 5))

        result = run(judge, 20)
        how = "a lost log" if lost else f"{part} put back"
        return Result(result.outcome, f"{how} after {steps}: {result.detail}")


def _go_on(shop: Shop, rng: Random, steps: list[str]) -> None:
    for step in steps:
        if step == "add":
            shop.draw(rng.sample(range(1000, 2000), 3))
        else:
            for content in rng.sample(shop.contents, 2):
                shop.path(content).unlink(missing_ok=True)
        with shop.opened() as (engine, _):
            engine.index([shop.folder / "shop"], label="parent")


def _go_on_without_a_checkpoint(shop: Shop, rng: Random, steps: list[str]) -> None:
    """Do it in a process that ends without closing anything, so that its log stays."""
    child = os.fork()
    if not child:
        _go_on(shop, rng, steps[:-1])
        with shop.opened() as (engine, _):
            shop.draw(rng.sample(range(1000, 2000), 3))
            engine.index([shop.folder / "shop"], label="parent")
            os._exit(0)
    os.waitpid(child, 0)


def _put_back(before: Path, store: Path, part: str) -> None:
    """Put a part back; the catalog without its log is another catalog."""
    names = ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"]
    for name in names if part.startswith("catalog") else [part]:
        target, source = store / name, before / name
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copy2(source, target)
