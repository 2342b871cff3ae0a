"""Bits that flip and parts that are lost in every file of a store."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from tests.torture.case import Result, run
from tests.torture.stores import Shop, check, make_shop

PAGE = 4096


class Damage:
    """A damaged file of a store, and the answers that it gives before and after an index run."""

    name, goal = "damage", 2000

    def __init__(self, folder: Path) -> None:
        self._templates = [
            make_shop(folder / "exact", 30),
            make_shop(folder / "compressed", 150, compressed=True),
        ]

    def strike(self, rng: Random, folder: Path) -> Result:
        """Damage one file; no answer may be wrong, and what cannot be read must be said."""
        template = rng.choice(self._templates)
        shop = template.copy(folder)
        files = sorted(path for path in shop.store.rglob("*") if path.is_file())
        file = rng.choice([path for path in files if path.stat().st_size])
        kind = damage(file, rng)
        probes = rng.sample(list(shop.contents), 4)
        result = run(lambda: _judge(shop, probes))
        where = f"{file.relative_to(shop.store)} {kind}"
        return Result(result.outcome, f"{where}: {result.detail}")


def damage(file: Path, rng: Random) -> str:
    """Change a file as a disk might, its times left as they were; return how."""
    before, size = file.stat(), file.stat().st_size
    kind = rng.choice(["bit", "bit", "bit", "byte", "page", "cut", "tail", "empty", "swap"])
    at = rng.randrange(size)
    data = bytearray(file.read_bytes())
    if kind == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        data[at] = rng.randrange(256)
    elif kind == "page":
        start = at - at % PAGE
        data[start : start + PAGE] = bytes(len(data[start : start + PAGE]))
    elif kind == "cut":
        del data[at:]
    elif kind == "tail":
        data += rng.randbytes(rng.randrange(1, 5000))
    elif kind == "empty":
        data.clear()
    else:
        other = rng.randrange(size)
        data[at : at + 64], data[other : other + 64] = data[other : other + 64], data[at : at + 64]
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return f"{kind} at {at} of {size}"


def _judge(shop: Shop, probes: list[int]) -> str:
    from engine.errors import EngineError

    noticed = False
    try:
        first = check(shop, probes)
    except EngineError:
        noticed, first = True, "noticed"
    try:
        with shop.opened() as (engine, told):
            report = engine.index([shop.folder / "shop"], label="parent")
            noticed |= bool(told.announced or report.notes or report.skipped)
    except EngineError:
        # Nothing is lost with it: the pictures are there, and another store can be made of them.
        return "noticed"
    check(shop, probes)
    return "noticed" if noticed else first
