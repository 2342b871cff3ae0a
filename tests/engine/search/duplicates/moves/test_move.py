"""Moving copies aside: which, where, and what the catalog says of them."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from engine import EngineError, MoveReport, UsageError
from engine.errors import StoreLockedError, StoreNotFoundError
from engine.progress import Reporter
from engine.search.duplicates.keep import Keep
from engine.search.duplicates.moves import move
from engine.search.duplicates.moves.move import Mover
from engine.search.duplicates.moves.undo_command import undo_command
from engine.search.results import DuplicateGroup
from index.catalog.catalog import Catalog
from index.files.move_file import move_file
from index.store import Store
from tests.support.aside import Shop, tree
from tests.support.shop import NotingReporter


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Two pictures, one of them three times, not indexed yet."""
    made = Shop(tmp_path, tmp_path / "aside")
    made.put("a.bmp", 1)
    made.put("b/a.bmp", 1)
    made.put("c.bmp", 1)
    made.put("other.bmp", 2)
    return made


def moved(shop: Shop, **options: str) -> MoveReport:
    with shop.opened() as engine:
        return engine.move_duplicates(shop.aside, **options)  # type: ignore[arg-type]


def names(report: MoveReport) -> list[str]:
    return [os.path.relpath(each.destination, report.folder) for each in report.moved]


def test_copies_are_moved_and_what_stays_stays(shop: Shop) -> None:
    shop.index()
    before = tree(shop.images)
    report = moved(shop)
    assert names(report) == ["shop/b/a.bmp", "shop/c.bmp"]
    assert {each.copy_of for each in report.moved} == {str(shop.images / "a.bmp")}
    assert set(tree(shop.images)) == {"a.bmp", "b", "other.bmp"}
    assert tree(shop.aside)["shop/c.bmp"] == before["c.bmp"]
    assert (report.size, report.skipped) == (sum(each.size for each in report.moved), [])


def test_what_was_moved_is_found_no_more(shop: Shop) -> None:
    shop.index()
    moved(shop)
    assert shop.found() == ["a.bmp", "other.bmp"]
    with shop.opened() as engine:
        assert engine.duplicates() == []
        assert (engine.status().images, engine.status().missing) == (2, 2)
        report = engine.index([shop.images])
    assert (report.removed, report.embedded, report.unchanged) == (0, 0, 2)


def test_where_there_is_nothing_to_move_nothing_is_made(shop: Shop) -> None:
    shop.index()
    moved(shop)
    shutil.rmtree(shop.aside)
    report = moved(shop)
    assert (report.manifest, report.undo, report.moved) == (None, None, [])
    assert not shop.aside.exists()


def test_the_second_run_takes_other_names(shop: Shop) -> None:
    shop.index()
    moved(shop)
    shop.put("c.bmp", 1)
    shop.index()
    assert names(moved(shop)) == ["shop/c (2).bmp"]
    assert len(shop.manifests()) == 2


def test_a_rule_says_what_stays(shop: Shop) -> None:
    shop.index()
    assert names(moved(shop, keep="*/C.bmp")) == ["shop/a.bmp", "shop/b/a.bmp"]


def test_a_rule_that_names_nothing_moves_nothing(shop: Shop) -> None:
    shop.index()
    before = tree(shop.images)
    with pytest.raises(UsageError, match=r"'oldset' is no rule.*Nothing was moved"):
        moved(shop, keep="oldset")
    assert tree(shop.images) == before
    assert not shop.aside.exists()


def test_the_level_copy_moves_what_nearly_agrees_too(shop: Shop) -> None:
    from PIL import Image

    with Image.open(shop.images / "other.bmp") as image:
        image.resize((12, 12)).save(shop.images / "small.bmp")
    shop.index()
    assert "shop/small.bmp" not in names(moved(shop))
    assert names(moved(shop, level="copy")) == ["shop/small.bmp"]


@pytest.mark.parametrize("level", ["similar", "near", ""])
def test_no_other_level_moves_anything(shop: Shop, level: str) -> None:
    shop.index()
    with pytest.raises(UsageError, match="Use exact or copy"):
        moved(shop, level=level)


def test_without_a_catalog_nothing_is_moved(shop: Shop) -> None:
    with pytest.raises(StoreNotFoundError):
        moved(shop)


def test_a_folder_that_is_indexed_is_refused(shop: Shop) -> None:
    shop.index()
    with shop.opened() as engine, pytest.raises(UsageError, match="would be indexed again"):
        engine.move_duplicates(shop.images / "copies")


def test_another_writer_is_waited_for_and_not_passed(shop: Shop) -> None:
    shop.index()
    with (
        shop.opened() as engine,
        engine.config.store.writer_lock(),
        pytest.raises(StoreLockedError),
    ):
        engine._session.patience_seconds = 0.05
        engine.move_duplicates(shop.aside)


class Acting(Reporter):
    """Does something once the first file was moved."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.announced: list[str] = []

    def announce(self, text: str) -> None:
        """Note it."""
        self.announced.append(text)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Act."""
        if (task, done) == ("moving", 1):
            self._act()


def test_a_copy_that_changed_meanwhile_stays(shop: Shop) -> None:
    shop.index()
    reporter = Acting(lambda: shop.put("c.bmp", 3))
    with shop.opened(reporter) as engine:
        report = engine.move_duplicates(shop.aside)
    assert names(report) == ["shop/b/a.bmp"]
    assert [(each.path, each.reason) for each in report.skipped] == [
        (str(shop.images / "c.bmp"), "it is not as it was indexed")
    ]


@pytest.mark.parametrize("change", ["changed", "gone", "another file of its content"])
def test_a_copy_of_what_is_gone_stays(shop: Shop, change: str) -> None:
    shop.index()
    stays = shop.images / "a.bmp"

    def act() -> None:
        stays.unlink()
        if change == "changed":
            shop.put("a.bmp", 3)
        elif change != "gone":
            # Moved here by somebody: the last one of its content.
            os.link(shop.images / "c.bmp", stays)

    with shop.opened(Acting(act)) as engine:
        report = engine.move_duplicates(shop.aside)
    assert names(report) == ["shop/b/a.bmp"]
    assert [str(stays) in each.reason for each in report.skipped] == [True]
    assert (shop.images / "c.bmp").exists()


def test_what_turns_out_to_be_the_one_that_stays_is_put_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive that is mounted twice: what is moved from one path is gone from the other."""
    shop.index()
    before = tree(shop.images)
    stays, hidden = shop.images / "a.bmp", shop.folder / "hidden"

    def mounted_twice(source: str, target: str, *facts: Any) -> None:
        move_file(source, target, *facts)
        if stays.exists():
            stays.rename(hidden)
        else:
            hidden.rename(stays)

    monkeypatch.setattr(move, "move_file", mounted_twice)
    report = moved(shop)
    assert report.moved == []
    assert ["what would stay went with it" in each.reason for each in report.skipped] == [True] * 2
    assert tree(shop.images) == before
    assert len(shop.found()) == 4


def test_what_a_pattern_of_hard_links_stays_under_its_name(shop: Shop) -> None:
    os.link(shop.images / "c.bmp", shop.images / "z.bmp")
    shop.index()
    assert names(moved(shop, keep="*/z.bmp")) == ["shop/a.bmp", "shop/b/a.bmp"]


def test_a_file_whose_name_is_not_that_of_a_picture_stays(shop: Shop) -> None:
    odd = shop.images / "b" / "without"
    (shop.images / "c.bmp").rename(odd)
    with shop.opened() as engine:
        engine.index([shop.images, odd])
        report = engine.move_duplicates(shop.aside)
    assert [(each.path, each.reason) for each in report.skipped] == [
        (str(odd), "its name is not that of a picture")
    ]


def test_an_interrupt_keeps_what_was_moved_and_tells_the_way_back(shop: Shop) -> None:
    shop.index()
    before = tree(shop.images)

    def interrupt() -> None:
        raise KeyboardInterrupt

    reporter = Acting(interrupt)
    with shop.opened(reporter) as engine, pytest.raises(KeyboardInterrupt):
        engine.move_duplicates(shop.aside)
    assert set(before) - set(tree(shop.images)) == {"b/a.bmp"}
    assert shop.found() == ["a.bmp", "c.bmp", "other.bmp"]
    command = undo_command(str(shop.manifests()[0]), str(shop.folder / "store"))
    assert [text for text in reporter.announced if command in text]
    shop.undo()
    assert tree(shop.images) == before


@pytest.mark.parametrize("there", ["file", "link"])
def test_what_stands_in_for_a_folder_is_named(shop: Shop, there: str) -> None:
    shop.index()
    shop.aside.mkdir()
    if there == "link":
        (shop.aside / "shop").symlink_to(shop.images)
    else:
        (shop.aside / "shop").write_bytes(b"")
    report = moved(shop)
    assert report.moved == []
    assert len(report.skipped) == 2
    assert set(shop.found()) == {"a.bmp", "b/a.bmp", "c.bmp", "other.bmp"}


def test_a_folder_that_may_not_be_written_is_an_error(
    open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    shop = Shop(open_folder, open_folder / "aside" / "deep")
    for name in ("a.bmp", "b.bmp"):
        shop.put(name, 1)
    shop.index()
    before = tree(shop.images)
    shop.images.chmod(0o777)
    shop.aside.parent.mkdir(mode=0o555)
    for path in (open_folder / "store", *(open_folder / "store").rglob("*")):
        path.chmod(0o777)
    with as_nobody(), pytest.raises(EngineError, match=r"cannot be made .* another folder"):
        moved(shop)
    assert tree(shop.images) == before


def test_pictures_that_may_not_leave_are_named(
    open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    shop = Shop(open_folder, open_folder / "aside")
    for name in ("a.bmp", "b.bmp"):
        shop.put(name, 1)
    shop.index()
    shop.images.chmod(0o555)
    for path in (open_folder / "store", *(open_folder / "store").rglob("*")):
        path.chmod(0o777)
    with as_nobody():
        report = moved(shop)
    assert [each.reason for each in report.skipped] == ["its folder cannot be written"]
    assert not shop.aside.exists()


def test_a_manifest_that_cannot_be_written_moves_nothing(shop: Shop) -> None:
    shop.index()
    before = tree(shop.images)
    group = DuplicateGroup(
        "exact", 1.0, [], str(shop.images / "a.bmp"), [str(shop.images / "c.bmp")]
    )
    with Catalog.open(shop.folder / "store" / "catalog.sqlite") as catalog:
        mover = Mover(
            catalog, str(shop.aside), Store(Path("/store")), "exact", Keep(), NotingReporter()
        )
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (120, limits[1]))
        try:
            with pytest.raises(EngineError, match="the manifest cannot be written"):
                mover.run([group])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tree(shop.images) == before
    shop.undo()
    assert tree(shop.images) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield folder  # type: ignore[misc]
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_run_with_all_that_fits_moved(shop: Shop, small_disk: Path) -> None:
    for number in range(60):
        shop.put(f"more/{number:02}.bmp", 1)
    shop.index()
    before = tree(shop.images)
    full = Shop(shop.folder, small_disk / "aside")
    reporter = NotingReporter()
    with full.opened(reporter) as engine:
        with pytest.raises(EngineError, match=os.strerror(errno.ENOSPC)):
            engine.move_duplicates(full.aside)
        assert [text for text in reporter.announced if "--undo" in text]
    left = len(tree(shop.images))
    assert len(before) - 40 < left < len(before) - 1
    full.undo()
    assert tree(shop.images) == before
    assert full.left_aside() == []


def test_a_command_can_be_pasted_whatever_folders_are_called(tmp_path: Path) -> None:
    for name in ("plain", "two words", "it's", "$HOME", "two\nlines", os.fsdecode(b"\xff\x1b[2J")):
        command = undo_command(f"/a/{name}/m.jsonl", name)
        assert command.isprintable()
        line = command.replace("engine duplicates", "printf '%s\\0'")
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
        words = [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]
        assert words == ["--undo", f"/a/{name}/m.jsonl", "--store", name]
