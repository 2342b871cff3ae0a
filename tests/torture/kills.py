"""Killed at a random moment of every verb that writes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from engine import Engine, TrainOptions
from tests.torture.case import Result, WrongAnswerError, kill, run, start
from tests.torture.stores import Shop, check, make_shop

COUNT, NEW = 60, 24
COPIED = range(1, 20)
# Longer than any of these verbs takes here.
MOST_SECONDS = 0.8


def _index(engine: Engine, shop: Shop) -> None:
    engine.index([shop.folder / "shop"], label="parent")


def _remove(engine: Engine, shop: Shop) -> None:
    engine.remove([shop.path(content) for content in range(1, 20)])


def _train(engine: Engine, shop: Shop) -> None:
    engine.train(head="again", from_labels=True, options=TrainOptions(fast=True))


def _judge(engine: Engine, shop: Shop) -> None:
    engine.save_lesson("judged", yes=range(1, 12), no=range(30, 40), head="judged")


def _delete_head(engine: Engine, shop: Shop) -> None:
    engine.heads.delete("furniture")


def _compact(engine: Engine, shop: Shop) -> None:
    engine.remove([shop.path(content) for content in range(1, 20)])
    engine.compact()


def _relocate(engine: Engine, shop: Shop) -> None:
    (shop.folder / "shop" / "bed").rename(shop.folder / "shop" / "sofa")
    engine.relocate(shop.folder / "shop" / "bed", shop.folder / "shop" / "sofa")


def _tidy(engine: Engine, shop: Shop) -> None:
    copies = shop.folder / "shop" / "copies"
    copies.mkdir(exist_ok=True)
    for content in COPIED:
        if shop.path(content).exists() and not (copies / f"{content}.bmp").exists():
            shutil.copy2(shop.path(content), copies)
    engine.index([shop.folder / "shop"], label="parent")
    report = engine.move_duplicates(shop.folder / "aside")
    if report.manifest is not None:
        engine.undo_moves(report.manifest)


def _export(engine: Engine, shop: Shop) -> None:
    engine.export(shop.folder / "out.npy")


VERBS: tuple[Callable[[Engine, Shop], None], ...] = (
    _index,
    _index,
    _index,
    _remove,
    _train,
    _judge,
    _delete_head,
    _compact,
    _relocate,
    _tidy,
    _export,
)


class Kills:
    """A writing verb that is killed, and the store that it leaves."""

    name, goal = "kills", 300

    def __init__(self, folder: Path) -> None:
        self._templates = [
            make_shop(folder / "exact", COUNT),
            make_shop(folder / "compressed", 3 * COUNT, compressed=True),
        ]

    def strike(self, rng: Random, folder: Path) -> Result:
        """Kill a verb; what was committed before must be there, and the verb must work again."""
        shop = rng.choice(self._templates).copy(folder)
        verb = rng.choice(VERBS)
        if verb is _index:
            new = range(1000, 1000 + NEW)
            shop.draw(new)
            for content in rng.sample(range(1, COUNT), 5):
                shop.path(content).unlink()

        def work() -> None:
            with shop.opened() as (engine, _):
                verb(engine, shop)

        child = start(work)
        time.sleep(rng.uniform(0, MOST_SECONDS))
        kill(child)
        probes = [content for content in shop.contents if shop.path(content).exists()]
        return run(lambda: _judge(shop, rng.sample(probes, min(6, len(probes))), verb))


def _judge(shop: Shop, probes: list[int], verb: Callable[[Engine, Shop], None]) -> str:
    with shop.opened() as (engine, _):
        status = engine.status()
        if status.embeddings != status.images + status.missing:
            raise WrongAnswerError("an image has no embedding")
        if not status.consistent:
            raise WrongAnswerError("; ".join(status.problems))
        _check_files(shop)
        moved = shop.folder / "shop" / "sofa"
        if moved.exists():
            moved.rename(shop.folder / "shop" / "bed")
        engine.index([shop.folder / "shop"], label="parent")
        if verb is _tidy:
            _check_tidied(engine, shop)
        elif verb is _export:
            engine.export(shop.folder / "out.npy", force=True)
        elif verb not in (_index, _relocate, _delete_head):
            verb(engine, shop)
            engine.index([shop.folder / "shop"], label="parent")
    return check(shop, probes)


def _check_tidied(engine: Engine, shop: Shop) -> None:
    """Whatever was moved and whatever was put back, all of it can be put back."""
    for manifest in (shop.folder / "aside").glob("moved-*.jsonl"):
        report = engine.undo_moves(manifest)
        if report.skipped:
            raise WrongAnswerError(f"{report.skipped[0].path}: {report.skipped[0].reason}")
    copies = shop.folder / "shop" / "copies"
    for content in COPIED:
        original, copy = shop.path(content), copies / f"{content}.bmp"
        if not original.exists():
            raise WrongAnswerError(f"{original} is lost")
        # Not yet copied, or that was cut short.
        whole = copy.exists() and copy.stat().st_mtime_ns == original.stat().st_mtime_ns
        if whole and copy.read_bytes() != original.read_bytes():
            raise WrongAnswerError(f"{copy} is not what it was")
    shutil.rmtree(copies, ignore_errors=True)
    engine.index([shop.folder / "shop"], label="parent")


def _check_files(shop: Shop) -> None:
    """An export is there whole or not at all, both files or none."""
    files = [shop.folder / "out.npy", shop.folder / "out.csv"]
    if files[0].exists():
        import numpy as np

        rows = np.load(files[0], allow_pickle=False)
        if not files[1].exists() or len(rows) < len(shop.contents):
            raise WrongAnswerError("half of an export is there")
    shutil.rmtree(shop.folder / "nothing", ignore_errors=True)
