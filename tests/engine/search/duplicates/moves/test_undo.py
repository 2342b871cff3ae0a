"""Putting files back: all that can be, over nothing, and what cannot is named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import Config, Engine, EngineError, UndoReport, UsageError
from engine.errors import StoreLockedError
from engine.testing import FakeEmbedder
from tests.support.aside import Shop, Tree, tree


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """One picture three times, two of which were moved aside."""
    made = Shop(tmp_path, tmp_path / "aside")
    made.put("a.bmp", 1)
    made.put("b/a.bmp", 1)
    made.put("c.bmp", 1)
    made.index()
    return made


@pytest.fixture
def before(shop: Shop) -> Tree:
    """What the pictures were before they were moved."""
    found = tree(shop.images)
    shop.move()
    return found


def undo(shop: Shop) -> UndoReport:
    with shop.opened() as engine:
        return engine.undo_moves(shop.manifests()[-1])


def said(report: UndoReport) -> list[tuple[str, str]]:
    return [(os.path.basename(each.path), each.reason) for each in report.skipped]


def test_all_is_as_it_was_and_what_was_made_is_gone(shop: Shop, before: Tree) -> None:
    report = undo(shop)
    assert [os.path.relpath(each.source, shop.images) for each in report.restored] == [
        "c.bmp",
        "b/a.bmp",
    ]
    assert (report.already_there, report.skipped, report.notes) == (0, [], [])
    assert tree(shop.images) == before
    assert shop.left_aside() == []


def test_the_catalog_shows_it_again_without_embedding_it(shop: Shop, before: Tree) -> None:
    undo(shop)
    assert shop.found() == ["a.bmp", "b/a.bmp", "c.bmp"]
    with shop.opened() as engine:
        report = engine.index([shop.images])
    assert (report.unchanged, report.came_back, report.embedded) == (3, 0, 0)


def test_a_second_time_nothing_is_left_to_do(shop: Shop, before: Tree) -> None:
    undo(shop)
    report = undo(shop)
    assert (report.restored, report.already_there, report.skipped) == ([], 2, [])
    assert tree(shop.images) == before


def test_folders_that_somebody_uses_stay(shop: Shop, before: Tree) -> None:
    (shop.aside / "shop" / "b" / "note.txt").write_bytes(b"")
    undo(shop)
    assert shop.left_aside() == ["shop", "shop/b", "shop/b/note.txt"]


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_is_written_over(shop: Shop, before: Tree, there: str) -> None:
    taken = shop.images / "c.bmp"
    if there == "file":
        taken.write_bytes(b"another")
    elif there == "folder":
        taken.mkdir()
    else:
        taken.symlink_to(shop.images / "a.bmp")
    now = tree(shop.images)["c.bmp"]
    report = undo(shop)
    aside = shop.aside / "shop" / "c.bmp"
    assert said(report) == [("c.bmp", f"something else lies here; it stays at {aside}")]
    assert tree(shop.images)["c.bmp"] == now
    assert aside.exists()
    assert (shop.images / "b" / "a.bmp").exists()


def test_what_could_not_be_put_back_is_the_next_time(shop: Shop, before: Tree) -> None:
    (shop.images / "c.bmp").write_bytes(b"another")
    undo(shop)
    (shop.images / "c.bmp").unlink()
    assert undo(shop).skipped == []
    assert tree(shop.images) == before


@pytest.mark.parametrize("data", [b"", b"another", None])
def test_what_was_changed_or_moved_on_is_named(
    shop: Shop, before: Tree, data: bytes | None
) -> None:
    aside = shop.aside / "shop" / "c.bmp"
    if data is None:
        aside.unlink()
    else:
        aside.write_bytes(data)
    [(name, reason)] = said(undo(shop))
    assert name == "c.bmp"
    assert reason == (
        f"it is neither here nor at {aside}"
        if data is None
        else f"it was changed since it was moved, and stays at {aside}"
    )
    assert aside.exists() == (data is not None)


def test_what_somebody_copied_back_is_not_there_twice(shop: Shop, before: Tree) -> None:
    shutil.copy2(shop.aside / "shop" / "c.bmp", shop.images / "c.bmp")
    report = undo(shop)
    assert (len(report.restored), report.skipped) == (2, [])
    assert tree(shop.images) == before
    assert shop.left_aside() == []


def test_a_link_aside_is_not_followed(shop: Shop, before: Tree, tmp_path: Path) -> None:
    (shop.aside / "shop").rename(tmp_path / "elsewhere")
    (shop.aside / "shop").symlink_to(tmp_path / "elsewhere")
    now = tree(tmp_path / "elsewhere")
    assert ["a link leads to" in reason for _, reason in said(undo(shop))] == [True, True]
    assert tree(tmp_path / "elsewhere") == now


def test_a_file_aside_that_is_a_link_is_not_moved(shop: Shop, before: Tree) -> None:
    aside = shop.aside / "shop" / "c.bmp"
    aside.rename(shop.folder / "kept.bmp")
    aside.symlink_to(shop.folder / "kept.bmp")
    assert [name for name, _ in said(undo(shop))] == ["c.bmp"]
    assert (shop.folder / "kept.bmp").exists()
    assert not os.path.lexists(shop.images / "c.bmp")


def test_one_name_written_in_two_ways_is_not_lost(shop: Shop, before: Tree) -> None:
    """The folder aside was put where the pictures were: both names lead to one."""
    shutil.copytree(shop.aside / "shop", shop.images, dirs_exist_ok=True)
    shutil.rmtree(shop.aside / "shop")
    (shop.aside / "shop").symlink_to(shop.images)
    undo(shop)
    assert tree(shop.images) == before


def test_a_destination_that_is_the_old_name_itself_is_not_taken_away(
    shop: Shop, before: Tree
) -> None:
    """Beside the pictures' folder, a manifest's destinations are its sources."""
    undo(shop)
    manifest = Path(shutil.copy(shop.manifests()[0], shop.folder))
    with shop.opened() as engine:
        report = engine.undo_moves(manifest)
    assert (report.restored, report.already_there, report.skipped) == ([], 2, [])
    assert tree(shop.images) == before
    assert shop.found() == ["a.bmp", "b/a.bmp", "c.bmp"]


def test_a_folder_that_is_gone_is_made_anew_where_its_drive_is_there(
    shop: Shop, before: Tree
) -> None:
    (shop.images / "b").rmdir()
    assert undo(shop).skipped == []
    assert tree(shop.images) == before


def test_on_a_drive_that_is_not_mounted_nothing_is_made(shop: Shop, before: Tree) -> None:
    shop.images.rename(shop.folder / "unmounted")
    shop.images.mkdir()
    report = undo(shop)
    assert [name for name, reason in said(report) if "its folder is gone" in reason] == [
        "c.bmp",
        "a.bmp",
    ]
    assert tree(shop.images) == {}
    shop.images.rmdir()
    (shop.folder / "unmounted").rename(shop.images)
    assert undo(shop).skipped == []
    assert tree(shop.images) == before


def test_a_folder_of_which_all_was_moved_is_there_though_empty(tmp_path: Path) -> None:
    shop = Shop(tmp_path, tmp_path / "aside")
    shop.put("a.bmp", 1)
    shutil.copytree(shop.images, tmp_path / "z")
    with shop.opened() as engine:
        engine.index([shop.images, tmp_path / "z"])
    before = tree(tmp_path / "z")
    shop.move()
    assert tree(tmp_path / "z") == {}
    shop.undo()
    assert tree(tmp_path / "z") == before


def test_all_of_it_may_have_been_moved_elsewhere(shop: Shop, before: Tree) -> None:
    shop.aside.rename(shop.folder / "archive")
    there = Shop(shop.folder, shop.folder / "archive")
    assert undo(there).skipped == []
    assert tree(shop.images) == before
    assert there.left_aside() == []


def test_images_that_were_indexed_aside_move_back(shop: Shop, before: Tree) -> None:
    with shop.opened() as engine:
        engine.index([shop.images, shop.aside])
    undo(shop)
    assert shop.found() == ["a.bmp", "b/a.bmp", "c.bmp"]
    with shop.opened() as engine:
        assert engine.index([shop.images]).embedded == 0


def test_without_the_store_files_are_put_back_all_the_same(shop: Shop, before: Tree) -> None:
    shutil.rmtree(shop.folder / "store")
    report = undo(shop)
    assert tree(shop.images) == before
    assert ["`engine index` takes them up" in note for note in report.notes] == [True]
    assert not (shop.folder / "store").exists()


def test_so_they_are_where_its_catalog_is_damaged(shop: Shop, before: Tree) -> None:
    (shop.folder / "store" / "catalog.sqlite").write_bytes(b"no database" * 1000)
    report = undo(shop)
    assert tree(shop.images) == before
    assert ["`engine index` takes them up" in note for note in report.notes] == [True]


def test_so_they_are_with_another_store(shop: Shop, before: Tree, tmp_path: Path) -> None:
    config = Config.at(tmp_path / "other")
    shop.put("of its own.bmp", 2)
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([shop.images / "of its own.bmp"])
        report = engine.undo_moves(shop.manifests()[0])
    assert set(tree(shop.images)) == {*before, "of its own.bmp"}
    assert report.notes == ["2 of them are not in the catalog: `engine index` takes them up"]
    with shop.opened() as engine:
        again = engine.index([shop.images])
    assert (again.came_back, again.embedded) == (2, 1)


def test_a_store_that_is_written_is_waited_for(shop: Shop, before: Tree) -> None:
    with (
        shop.opened() as engine,
        engine.config.store.writer_lock(),
        pytest.raises(StoreLockedError),
    ):
        engine._session.patience_seconds = 0.05
        engine.undo_moves(shop.manifests()[0])
    assert shop.left_aside()


def test_from_any_folder_by_a_relative_name(
    shop: Shop, before: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.aside)
    with shop.opened() as engine:
        engine.undo_moves(shop.manifests()[0].name)
    assert tree(shop.images) == before


@pytest.mark.parametrize("name", ["a\0b", "a\0/b", "\ud800/b", "\udc80\ud83d"])
def test_a_name_that_no_file_has_is_an_error_of_that_name(shop: Shop, name: str) -> None:
    with shop.opened() as engine:
        with pytest.raises(EngineError, match="it cannot be read"):
            engine.undo_moves(name)
        with pytest.raises(UsageError, match="this can be no folder"):
            engine.move_duplicates(name)


def test_a_wrong_manifest_changes_nothing(shop: Shop, before: Tree) -> None:
    manifest = shop.manifests()[0]
    lines = manifest.read_text().splitlines()
    bad = json.loads(lines[-1]) | {"destination": "../shop/a.bmp"}
    manifest.write_text("\n".join([*lines[:-1], json.dumps(bad), ""]))
    now = tree(shop.folder)
    with pytest.raises(EngineError, match="outside the folder of the manifest"):
        undo(shop)
    assert tree(shop.images) == {
        name.removeprefix("shop/"): each for name, each in now.items() if name.startswith("shop/")
    }


@pytest.mark.parametrize(
    "act",
    [
        lambda shop: (shop.images / "c.bmp").write_bytes(b""),
        lambda shop: os.link(shop.aside / "shop" / "c.bmp", shop.images / "c.bmp"),
    ],
    ids=["a name that was taken for it", "a second name"],
)
def test_what_an_earlier_undoing_began_is_finished(
    shop: Shop, before: Tree, act: Callable[[Shop], object]
) -> None:
    act(shop)
    assert undo(shop).skipped == []
    assert tree(shop.images) == before


def test_an_empty_file_that_a_move_began_with_is_taken_away(shop: Shop, before: Tree) -> None:
    shutil.copy2(shop.aside / "shop" / "c.bmp", shop.images / "c.bmp")
    (shop.aside / "shop" / "c.bmp").write_bytes(b"")
    assert undo(shop).skipped == []
    assert tree(shop.images) == before
    assert shop.left_aside() == []
