"""Killed before any step of a move or of its undoing: undone again, everything is as it was."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.aside import Shop, tree
from tests.support.kill_points import killed_at

pytestmark = pytest.mark.slow

FILES = ("duplicates/moves/", "index/files/move_file", "index/files/atomic_file")
# More steps than any of these takes.
MOST_STEPS = 1000
# So many tests share them, which can run side by side.
PARTS = 3


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Four copies of two pictures, two of them under one name, and one picture of its own."""
    folder = tmp_path_factory.mktemp("killed")
    made = Shop(folder, folder / "aside")
    made.put("a.bmp", 1)
    made.put("b/a.bmp", 1, mode=0o600)
    made.put("e/two\nlines.bmp", 1)
    made.put("c.bmp", 2)
    made.put(b"\xff.bmp", 2)
    made.put("d.bmp", 3)
    # Another file lies where one of them would go.
    (folder / "aside" / "shop" / "b").mkdir(parents=True)
    (folder / "aside" / "shop" / "b" / "a.bmp").write_bytes(b"of somebody")
    made.index()
    # What is not imported by now, each fork would import anew.
    rehearsal = made.copied(tmp_path_factory.mktemp("rehearsal") / "copy")
    rehearsal.move()
    rehearsal.undo()
    return made


@pytest.fixture(params=["same", "other"])
def copied(request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> Callable[[], Shop]:
    """Copy the shop, and the folder for what is moved on its file system or on another one."""
    other: Path | None = None
    if request.param == "other":
        other = request.getfixturevalue("other_file_system")

    def copy() -> Shop:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        made = shop.copied(tmp_path / "copy", other and other / "aside")
        if other is not None:
            shutil.rmtree(other / "aside", ignore_errors=True)
            shutil.copytree(shop.aside, other / "aside")
        return made

    return copy


def assert_as_before(shop: Shop, before: Shop) -> None:
    assert tree(shop.images) == tree(before.images)
    assert shop.left_aside() == before.left_aside()


def assert_nothing_is_lost(shop: Shop, before: Shop) -> None:
    """Each content is there as often as before, if not more often."""
    contents = [each[0] for each in (tree(shop.images) | tree(shop.aside)).values() if each]
    for each in tree(before.images).values():
        assert each is None or each[0] in contents


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_while_moving_all_is_put_back(
    part: int, shop: Shop, copied: Callable[[], Shop]
) -> None:
    for step in range(part, MOST_STEPS, PARTS):
        one = copied()
        was_killed = killed_at(step, FILES, one.move)
        assert_nothing_is_lost(one, shop)
        one.undo()
        assert_as_before(one, shop)
        if not was_killed:
            break
        if step % 30 < PARTS:
            assert one.found() == shop.found()
    else:
        pytest.fail("it never came to its end")


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_while_putting_back_the_next_time_does_it(
    part: int, shop: Shop, copied: Callable[[], Shop]
) -> None:
    for step in range(part, MOST_STEPS, PARTS):
        one = copied()
        one.move()
        was_killed = killed_at(step, FILES, one.undo)
        assert_nothing_is_lost(one, shop)
        one.undo()
        assert_as_before(one, shop)
        if not was_killed:
            break
        if step % 30 < PARTS:
            assert one.found() == shop.found()
    else:
        pytest.fail("it never came to its end")


@pytest.mark.parametrize("seed", range(4))
def test_killed_again_and_again_all_is_put_back(
    seed: int, shop: Shop, copied: Callable[[], Shop]
) -> None:
    chosen = random.Random(seed)
    one = copied()
    for _ in range(3):
        killed_at(chosen.randrange(120), FILES, one.move)
        for _ in range(chosen.randrange(3)):
            killed_at(chosen.randrange(120), FILES, one.undo)
    one.undo()
    assert_as_before(one, shop)
    assert one.found() == shop.found()
    with one.opened() as engine:
        report = engine.index([one.images])
    assert (report.unchanged, report.embedded, report.removed) == (6, 0, 0)
