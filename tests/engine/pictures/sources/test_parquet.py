"""Parquet files: a column of images, or one of URLs and paths."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ImageError
from engine.pictures.read import read_file
from engine.pictures.walk import find_images, list_images, members
from tests.support.archives import picture, write_parquet

PICTURES = [picture(number) for number in range(5)]


def structs(*paths: str | None) -> list[dict[str, Any]]:
    """Return images as Hugging Face writes them."""
    return [{"bytes": picture(n), "path": path} for n, path in enumerate(paths)]


def names(path: Path) -> list[str]:
    """Return the names of the rows that are found."""
    return [each.path.removeprefix(f"{path}/") for each in find_images([os.fspath(path)]).files]


def test_rows_are_called_by_their_number(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "x.parquet", {"image": PICTURES})
    assert names(file) == [f"{number:08d}" for number in range(5)]
    assert [read_file(f"{file}/{name}") for name in names(file)] == PICTURES


def test_rows_are_called_by_their_paths_where_all_have_one(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "x.parquet", {"image": structs("b.png", "a/a.png")})
    assert sorted(names(file)) == ["a/a.png", "b.png"]
    assert read_file(f"{file}/a/a.png") == picture(1)


@pytest.mark.parametrize("paths", [("a.png", "a.png"), ("a.png", None), ("a.png", "../b.png")])
def test_else_by_their_number(tmp_path: Path, paths: tuple[str | None, ...]) -> None:
    file = write_parquet(tmp_path / "x.parquet", {"image": structs(*paths)})
    assert names(file) == ["00000000", "00000001"]


def test_the_column_that_is_called_so_holds_the_images(tmp_path: Path) -> None:
    columns = {"mask": [b"no"] * 5, "jpg": PICTURES, "url": ["http://x/y"] * 5}
    file = write_parquet(tmp_path / "x.parquet", columns)
    assert read_file(f"{file}/00000003") == PICTURES[3]


def test_labels_have_the_names_of_their_classes(tmp_path: Path) -> None:
    names = {"info": {"features": {"label": {"names": ["bed", "chair"], "_type": "ClassLabel"}}}}
    columns = {"image": PICTURES, "label": [0, 1, 7, None, 1]}
    file = write_parquet(tmp_path / "x.parquet", columns, noted=json.dumps(names).encode())
    [archive] = list_images([os.fspath(file)]).archives
    said = members(archive, labels=True).labels
    assert list(said.values()) == ["bed", "chair", "7", "chair"]


@pytest.mark.parametrize("noted", [b"[broken", b"[]", b'{"info": 1}'])
def test_notes_that_cannot_be_read_are_none(tmp_path: Path, noted: bytes) -> None:
    columns = {"image": PICTURES, "label": ["a", "b", "a", "b", ""]}
    file = write_parquet(tmp_path / "x.parquet", columns, noted=noted)
    [archive] = list_images([os.fspath(file)]).archives
    assert list(members(archive, labels=True).labels.values()) == ["a", "b", "a", "b"]


def test_a_row_that_is_too_large_is_refused(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "x.parquet", {"image": [b"x" * 5000]})
    with pytest.raises(ImageError, match="more than the limit"):
        read_file(f"{file}/00000000", 4999)


def test_a_row_without_bytes_is_skipped_when_it_is_read(tmp_path: Path) -> None:
    rows = [{"bytes": None, "path": "a.png"}, {"bytes": picture(1), "path": "b.png"}, None]
    file = write_parquet(tmp_path / "x.parquet", {"image": rows})
    for number, message in ((0, "nothing in it"), (2, "nothing in it")):
        with pytest.raises(ImageError, match=message):
            read_file(f"{file}/{number:08d}")
    assert read_file(f"{file}/00000001") == picture(1)


def test_a_column_of_paths_leads_to_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "1.png").write_bytes(picture(1))
    texts = ["sub/1.png", "nothing.png", None, f"file://{tmp_path}/sub/1.png"]
    file = write_parquet(tmp_path / "x.parquet", {"path": texts})
    found = find_images([os.fspath(file)])
    assert [each.path for each in found.files] == [f"{tmp_path}/sub/1.png"]
    assert [each.path for each in found.skipped] == [f"{tmp_path}/nothing.png"]


def test_no_path_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("up.png", "in/1.png"):
        (tmp_path / name).write_bytes(picture(1))
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "up.png")
    texts = ["1.png", "../up.png", f"{tmp_path}/up.png", f"file://{tmp_path}/up.png", "link.png"]
    file = write_parquet(tmp_path / "in" / "x.parquet", {"path": [*texts, "../in/1.png"]})
    found = find_images([os.fspath(file)])
    assert [each.path for each in found.files] == [f"{tmp_path}/in/1.png"]
    assert [each.path for each in found.skipped] == texts[1:]


def test_a_file_without_images_is_one_line(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "x.parquet", {"price": [1, 2], "name": ["a", "b"]})
    found = find_images([os.fspath(file)])
    assert [each.reason for each in found.skipped] == ["it has no column of images or of URLs"]
    assert found.unseen == [os.fspath(file)]


@pytest.mark.parametrize("end", [0, 3, 300, -9])
def test_what_cannot_be_read_is_one_line(tmp_path: Path, end: int) -> None:
    file = write_parquet(tmp_path / "x.parquet", {"image": PICTURES})
    file.write_bytes(file.read_bytes()[:end])
    found = find_images([os.fspath(file)])
    assert not found.files and len(found.skipped) == 1 and found.unseen == [os.fspath(file)]


def test_damage_within_a_file_costs_its_rows_alone(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "x.parquet", {"image": PICTURES}, group=1)
    data = bytearray(file.read_bytes())
    data[4:60] = b"\xff" * 56
    file.write_bytes(data)
    with pytest.raises(ImageError, match=r"archive cannot be read|group of"):
        read_file(f"{file}/00000000")
    assert read_file(f"{file}/00000004") == PICTURES[4]
