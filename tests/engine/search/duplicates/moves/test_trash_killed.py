"""Killed before a step of moving files to the trash, or of undoing it: undone by name again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import UnknownUndoError
from engine.pictures.walk_rules import TRASH
from tests.support.aside import Shop, Tree, tree
from tests.support.kill_points import killed_at

pytestmark = pytest.mark.slow

FILES = ("duplicates/moves/", "index/files/move_file", "index/files/atomic_file")
# Every step of a move is killed elsewhere, one after the other: here some of them do.
STRIDE, MOST_STEPS = 3, 300


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A picture three times; indexed."""
    folder = tmp_path_factory.mktemp("killed")
    made = Shop(folder, folder / "aside")
    for name in ("a.bmp", "b/a.bmp", "c.bmp"):
        made.put(name, 1)
    made.index()
    # What is not imported by now, each fork would import anew.
    rehearsal = made.copied(tmp_path_factory.mktemp("rehearsal") / "copy")
    trash(rehearsal)
    undo(rehearsal)
    return made


def trash(shop: Shop) -> None:
    with shop.opened() as engine:
        first, *others = [each.id for each in engine.images.page().images]
        engine.tidying.trash(others, keep=[first])


def undo(shop: Shop) -> None:
    """Undo what can be undone, and what was begun and is not listed: none of it was done."""
    with shop.opened() as engine:
        names = {path.stem for path in (shop.images / TRASH).glob("moved-*.jsonl")}
        for name in sorted(names | {each.undo for each in engine.tidying.undoable()}):
            try:
                assert not engine.tidying.undo(name).skipped
            except UnknownUndoError:
                assert name not in {each.undo for each in engine.tidying.undoable()}


def shown(shop: Shop) -> Tree:
    return {name: each for name, each in tree(shop.images).items() if TRASH not in name}


def killed_at_each_step(
    shop: Shop, folder: Path, before: Callable[[Shop], None], work: Callable[[Shop], None]
) -> None:
    for step in range(0, MOST_STEPS, STRIDE):
        one = shop.copied(folder / str(step))
        before(one)
        was_killed = killed_at(step, FILES, lambda one=one: work(one))  # type: ignore[misc]
        contents = [each for each in tree(one.images).values() if each]
        assert len(contents) >= len([each for each in shown(shop).values() if each])
        undo(one)
        assert shown(one) == shown(shop)
        assert one.found() == shop.found()
        if not was_killed:
            break
    else:
        pytest.fail("it never came to its end")


def test_killed_while_moving_all_is_put_back(shop: Shop, tmp_path: Path) -> None:
    killed_at_each_step(shop, tmp_path, lambda one: None, trash)


def test_killed_while_putting_back_the_next_time_does_it(shop: Shop, tmp_path: Path) -> None:
    killed_at_each_step(shop, tmp_path, trash, undo)
