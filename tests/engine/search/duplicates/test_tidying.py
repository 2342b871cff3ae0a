"""Tidying by hand: chosen files go to the trash and come back; what is said of pairs is undone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from engine import Engine
from engine.errors import UnknownImageError, UnknownUndoError, UsageError
from engine.pictures.walk_rules import TRASH
from engine.search.duplicates.tidying import TrashReport
from index.catalog.tables.contents import ContentTable
from tests.support.aside import Shop, Tree, tree
from tests.support.meanwhile import meanwhile


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A picture three times, and another one; indexed."""
    made = Shop(tmp_path, tmp_path / "aside")
    made.put("a.bmp", 1, mode=0o600)
    made.put("b/a.bmp", 1)
    made.put("c.bmp", 1)
    made.put("other.bmp", 2)
    # The fake backbone sees colours: unlike the others this one has hardly any.
    dark = Image.new("RGB", (24, 24))
    dark.paste((0, 0, 255), (0, 0, 4, 4))
    dark.save(made.images / "dark.bmp")
    made.index()
    return made


def ids_of(engine: Engine, *names: str) -> list[int]:
    by_name = {
        "/".join(Path(each.path).parts[-2:]).removeprefix("shop/"): each.id
        for each in engine.images.page().images
    }
    return [by_name[name] for name in names]


def trashed(shop: Shop, *names: str, keep: str = "a.bmp") -> TrashReport:
    with shop.opened() as engine:
        return engine.tidying.trash(ids_of(engine, *names), keep=ids_of(engine, keep))


def shown(shop: Shop) -> Tree:
    """What lies in the folder of pictures, without the trash."""
    return {name: each for name, each in tree(shop.images).items() if TRASH not in name}


def test_chosen_files_go_to_the_trash_of_their_folder(shop: Shop) -> None:
    before = shown(shop)
    report = trashed(shop, "b/a.bmp", "c.bmp")
    assert (report.moved, report.bytes) == (2, 2 * (shop.images / "a.bmp").stat().st_size)
    assert not report.skipped
    assert set(before) - set(shown(shop)) == {"b/a.bmp", "c.bmp"}
    aside = tree(shop.images / TRASH)
    assert aside["shop/b/a.bmp"] == before["b/a.bmp"]
    assert shop.found() == ["a.bmp", "dark.bmp", "other.bmp"]


def test_what_is_in_the_trash_is_never_indexed(shop: Shop) -> None:
    from engine import IngestOptions

    trashed(shop, "c.bmp")
    with shop.opened() as engine:
        engine.index([shop.images], options=IngestOptions(include_hidden=True))
    assert shop.found() == ["a.bmp", "b/a.bmp", "dark.bmp", "other.bmp"]


@pytest.mark.parametrize("name", [TRASH, f"{TRASH}/shop/c.bmp", "link"])
def test_the_trash_is_not_indexed_by_name_either(shop: Shop, name: str) -> None:
    trashed(shop, "c.bmp")
    (shop.images / "link").symlink_to(shop.images / TRASH)
    with shop.opened() as engine, pytest.raises(UsageError, match="in the trash"):
        engine.index([shop.images / name])


def test_what_was_indexed_in_the_trash_does_not_vouch_and_is_forgotten(shop: Shop) -> None:
    """As a release before this one let it be indexed."""
    aside = shop.images / "aside"
    shutil.copytree(shop.images / "b", aside)
    shop.index()
    aside.rename(shop.images / TRASH)
    with shop.opened() as engine:
        (found,) = (each.id for each in engine.images.page().images if "aside" in each.path)
        engine.relocate(aside, shop.images / TRASH)
        report = engine.tidying.trash(ids_of(engine, "a.bmp"), keep=[found])
        assert "in the trash" in report.skipped[0].reason
        assert report.moved == 0
    shop.index()
    assert shop.found() == ["a.bmp", "b/a.bmp", "c.bmp", "dark.bmp", "other.bmp"]


def test_what_can_be_undone_is_of_one_state(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop.opened() as engine:
        chosen = ids_of(engine, "a.bmp", "other.bmp")
        engine.tidying.distinct(chosen)
        (before,) = engine.tidying.undoable()
        seen = meanwhile(
            monkeypatch, ContentTable, "of_contents", lambda: engine.images.forget(chosen)
        )
        assert engine.tidying.undoable() == [before]
        assert seen == [2]
        (after,) = engine.tidying.undoable()
        assert len(after.paths) < len(before.paths)


def test_it_is_put_back_after_a_restart_byte_for_byte(shop: Shop) -> None:
    before = shown(shop)
    report = trashed(shop, "b/a.bmp", "c.bmp")
    with shop.opened() as engine:
        restored = engine.tidying.undo(str(report.undo))
    assert (restored.restored, restored.skipped) == (2, [])
    assert shown(shop) == before
    assert shop.found() == ["a.bmp", "b/a.bmp", "c.bmp", "dark.bmp", "other.bmp"]


def test_to_undo_twice_is_no_harm(shop: Shop) -> None:
    report = trashed(shop, "c.bmp")
    with shop.opened() as engine:
        engine.tidying.undo(str(report.undo))
        assert engine.tidying.undo(str(report.undo)).restored == 0
        assert engine.tidying.undoable() == []


def test_each_act_is_undone_by_itself(shop: Shop) -> None:
    first, second = trashed(shop, "c.bmp"), trashed(shop, "b/a.bmp")
    with shop.opened() as engine:
        listed = engine.tidying.undoable()
        assert [each.undo for each in listed] == [second.undo, first.undo]
        assert [(each.kind, each.count) for each in listed] == [("trash", 1), ("trash", 1)]
        assert listed[0].paths == [str(shop.images / "b" / "a.bmp")]
        engine.tidying.undo(str(first.undo))
    assert (shop.images / "c.bmp").exists()
    assert not (shop.images / "b" / "a.bmp").exists()


def test_several_folders_have_a_trash_of_their_own_and_one_undo(shop: Shop) -> None:
    shutil.copytree(shop.images, shop.folder / "second", copy_function=shutil.copy2)
    with shop.opened() as engine:
        engine.index([shop.folder / "second"])
        ids = {each.path: each.id for each in engine.images.page().images}
        chosen = [ids[str(shop.folder / folder / "c.bmp")] for folder in ("shop", "second")]
        report = engine.tidying.trash(chosen, keep=[ids[str(shop.images / "a.bmp")]])
        assert report.moved == 2
        for folder in ("shop", "second"):
            assert (shop.folder / folder / TRASH / folder / "c.bmp").exists()
        (listed,) = engine.tidying.undoable()
        assert (listed.undo, listed.count) == (report.undo, 2)
        assert engine.tidying.undo(listed.undo).restored == 2
    assert (shop.folder / "second" / "c.bmp").exists()


def test_what_was_indexed_without_its_folder_goes_beside_the_store(shop: Shop) -> None:
    single = shop.folder / "single.bmp"
    shutil.copy2(shop.images / "a.bmp", single)
    with shop.opened() as engine:
        engine.index([single])
        ids = {each.path: each.id for each in engine.images.page().images}
        report = engine.tidying.trash([ids[str(single)]], keep=[ids[str(shop.images / "a.bmp")]])
        assert (report.moved, single.exists()) == (1, False)
        engine.tidying.undo(str(report.undo))
    assert single.exists()


def test_where_nothing_alike_would_stay_nothing_is_moved(shop: Shop) -> None:
    before = tree(shop.images)
    with pytest.raises(UsageError, match="nothing that is like it would stay"):
        trashed(shop, "a.bmp", "c.bmp", keep="dark.bmp")
    with shop.opened() as engine, pytest.raises(UsageError, match="nothing that is like it"):
        engine.tidying.trash(ids_of(engine, "a.bmp", "b/a.bmp", "c.bmp"), keep=[])
    with pytest.raises(UsageError, match="it is to go and to stay"):
        trashed(shop, "a.bmp", keep="a.bmp")
    assert tree(shop.images) == before


def test_what_stays_must_be_as_it_was_indexed(shop: Shop) -> None:
    (shop.images / "a.bmp").write_bytes(b"something else")
    report = trashed(shop, "c.bmp")
    assert (report.undo, report.moved) == (None, 0)
    assert "what would stay is not as it was indexed" in report.skipped[0].reason
    assert (shop.images / "c.bmp").exists()


def test_what_was_changed_stays(shop: Shop) -> None:
    (shop.images / "c.bmp").write_bytes(b"something else")
    report = trashed(shop, "b/a.bmp", "c.bmp")
    assert report.moved == 1
    assert [each.path for each in report.skipped] == [str(shop.images / "c.bmp")]
    assert (shop.images / "c.bmp").read_bytes() == b"something else"


def test_what_a_link_leads_to_stays(shop: Shop) -> None:
    (shop.images / "link.bmp").symlink_to("c.bmp")
    report = trashed(shop, "c.bmp")
    assert report.moved == 0
    assert "a link leads to it" in report.skipped[0].reason


def test_what_lies_in_the_old_place_is_not_written_over(shop: Shop) -> None:
    report = trashed(shop, "c.bmp")
    (shop.images / "c.bmp").write_bytes(b"new")
    with shop.opened() as engine:
        restored = engine.tidying.undo(str(report.undo))
        assert (restored.restored, len(restored.skipped)) == (0, 1)
        assert len(engine.tidying.undoable()) == 1
    assert (shop.images / "c.bmp").read_bytes() == b"new"


def test_unknown_images_are_refused(shop: Shop) -> None:
    with shop.opened() as engine:
        known = ids_of(engine, "a.bmp")
        with pytest.raises(UnknownImageError):
            engine.tidying.trash([4711], keep=known)
        with pytest.raises(UnknownImageError):
            engine.tidying.distinct([4711, *known])
        with pytest.raises(UsageError):
            engine.tidying.distinct(known)


def test_pairs_are_duplicates_again_when_that_is_undone(shop: Shop) -> None:
    with shop.opened() as engine:
        before = engine.duplicates()
        report = engine.tidying.distinct(ids_of(engine, "a.bmp", "c.bmp", "other.bmp"))
        assert report.pairs == 2
        assert engine.duplicates() == []
    with shop.opened() as engine:
        (listed,) = engine.tidying.undoable()
        assert (listed.undo, listed.kind, listed.count) == (report.undo, "distinct", 2)
        assert str(shop.images / "a.bmp") in listed.paths
        assert engine.tidying.undo(listed.undo).restored == 2
        assert engine.duplicates() == before
        with pytest.raises(UnknownUndoError):
            engine.tidying.undo(listed.undo)


def test_what_is_remembered_already_cannot_be_undone_by_another_act(shop: Shop) -> None:
    with shop.opened() as engine:
        first = engine.tidying.distinct(ids_of(engine, "a.bmp", "other.bmp"))
        again = engine.tidying.distinct(ids_of(engine, "c.bmp", "other.bmp"))
    assert (first.pairs, again.pairs, again.undo) == (1, 0, None)


def test_two_acts_in_one_moment_have_names_of_their_own(shop: Shop) -> None:
    names = {trashed(shop, "c.bmp").undo, trashed(shop, "b/a.bmp").undo}
    assert len(names) == 2
    assert all(name and os.sep not in name for name in names)
