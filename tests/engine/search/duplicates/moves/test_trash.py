"""Which moves can be undone by name: those of this store, by names that were found on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UnknownUndoError
from engine.pictures.walk_rules import TRASH
from engine.search.duplicates.moves.trash import Trash, TrashLimits
from index.store import Store

NAME = "moved-20260131T120000Z"


def write(root: Path, store: Path, name: str = NAME, source: Path | None = None) -> Path:
    """Write a manifest of one file, and the file that it has moved."""
    folder = root / TRASH
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "moved.jpg").write_bytes(b"content")
    header = {"manifest": "engine duplicates", "version": 1, "store": str(store)}
    move = {
        "source": str(source or root / "a.jpg"),
        "destination": "moved.jpg",
        "size": 7,
        "sha256": "0" * 64,
        "mtime_ns": 1,
        "copy_of": str(root / "b.jpg"),
        "root": str((source or root / "a.jpg").parent),
        "root_inode": 1,
    }
    lines = [{**header, "level": "chosen", "keep": "largest"}, move]
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="ascii")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that was indexed."""
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


@pytest.fixture
def trash(root: Path, tmp_path: Path) -> Trash:
    """Its trash."""
    return Trash([str(root)], Store(tmp_path / "store"))


def test_a_manifest_of_the_store_is_found_by_its_name(
    root: Path, trash: Trash, tmp_path: Path
) -> None:
    path = write(root, tmp_path / "store")
    assert trash.manifests(NAME) == [str(path)]
    (act,) = trash.acts()
    assert (act.name, act.at.isoformat()) == (NAME, "2026-01-31T12:00:00+00:00")
    assert [move.source for move, _ in act.moves] == [str(root / "a.jpg")]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        f"../{TRASH}/{NAME}",
        f"{NAME}.jsonl",
        f"{NAME}/",
        f"{NAME}\0",
        f"{NAME}-2",
        f"{NAME}\n",
        NAME.upper(),
        f"%2e%2e/{NAME}",
    ],
)
def test_no_other_name_leads_to_it(name: str, root: Path, trash: Trash, tmp_path: Path) -> None:
    write(root, tmp_path / "store")
    with pytest.raises(UnknownUndoError):
        trash.manifests(name)


@given(st.text())
def test_a_name_that_nothing_has_is_unknown(name: str) -> None:
    with pytest.raises(UnknownUndoError):
        Trash([], Store(Path("/nowhere/store"))).manifests(name)


def test_a_manifest_of_another_store_is_none(root: Path, trash: Trash, tmp_path: Path) -> None:
    write(root, tmp_path / "another")
    assert trash.acts() == []
    with pytest.raises(UnknownUndoError):
        trash.manifests(NAME)


def test_a_manifest_that_would_put_files_elsewhere_is_none(
    root: Path, trash: Trash, tmp_path: Path
) -> None:
    write(root, tmp_path / "store", source=tmp_path / "elsewhere" / "a.jpg")
    assert trash.acts() == []
    with pytest.raises(UnknownUndoError):
        trash.manifests(NAME)


def test_a_trash_behind_a_link_is_none(root: Path, trash: Trash, tmp_path: Path) -> None:
    write(tmp_path / "other", tmp_path / "store")
    (root / TRASH).symlink_to(tmp_path / "other" / TRASH)
    assert trash.acts() == []


def test_damaged_manifests_are_left_out(root: Path, trash: Trash, tmp_path: Path) -> None:
    write(root, tmp_path / "store").write_bytes(b"\xff\n")
    write(root, tmp_path / "store", "moved-20260131T120001Z")
    assert [act.name for act in trash.acts()] == ["moved-20260131T120001Z"]


def test_what_was_put_back_is_not_listed(root: Path, trash: Trash, tmp_path: Path) -> None:
    write(root, tmp_path / "store")
    (root / TRASH / "moved.jpg").unlink()
    assert trash.acts() == []


def test_the_last_come_first_and_no_more_than_some(root: Path, tmp_path: Path) -> None:
    for name in (NAME, f"{NAME}-10", f"{NAME}-2", "moved-20250131T120000Z"):
        write(root, tmp_path / "store", name)
    trash = Trash([str(root)], Store(tmp_path / "store"), TrashLimits(manifests=3))
    assert [act.name for act in trash.acts()] == [f"{NAME}-10", f"{NAME}-2", NAME]


def test_a_new_name_is_one_that_no_folder_has(root: Path, trash: Trash, tmp_path: Path) -> None:
    first = trash.new_name()
    write(root, tmp_path / "store", first)
    assert trash.new_name() != first
