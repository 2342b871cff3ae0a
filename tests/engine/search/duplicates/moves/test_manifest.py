"""Manifests: what is written is read back, and what anybody else wrote is refused or harmless."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import EngineError
from engine.search.duplicates.moves.reader import (
    Manifest,
    ManifestLimits,
    open_manifest,
    read_manifest,
)
from engine.search.duplicates.moves.records import Header, MadeFolder, Move, problem_of
from engine.search.duplicates.moves.writer import ManifestWriter

HEADER = Header("/store", "exact", "largest")
MOVE = Move("/p/a.jpg", "p/a.jpg", 5, "ab" * 32, 10**18, "/p/b.jpg", "/p", 7)


def read(path: Path, limits: ManifestLimits | None = None) -> Manifest:
    with closing(open_manifest(str(path))) as file:
        return read_manifest(file, str(path), limits or ManifestLimits())


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A manifest of one move."""
    writer = ManifestWriter(str(tmp_path), HEADER)
    writer.add([MadeFolder("p"), MOVE])
    writer.close()
    return Path(writer.path)


def changed(path: Path, number: int, **values: Any) -> Path:
    """Give fields of a line other values; Ellipsis takes one away."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[number] = {
        key: value for key, value in (lines[number] | values).items() if value is not ...
    }
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_what_is_written_is_read_back(path: Path) -> None:
    found = read(path)
    assert (found.header, found.moves, found.folders) == (HEADER, [MOVE], [MadeFolder("p")])
    assert found.folder == str(path.parent)


names = st.binary(min_size=1, max_size=40).filter(lambda name: not {0, 47} & set(name))


@given(names=st.lists(names.filter(lambda name: name not in (b".", b"..")), min_size=1, max_size=5))
def test_names_of_any_bytes_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes]
) -> None:
    inside = [os.fsdecode(b"p/" + name + b".jpg") for name in names]
    moves = {name: replace(MOVE, source=f"/{name}", destination=name) for name in inside}
    writer = ManifestWriter(str(tmp_path_factory.mktemp("names")), HEADER)
    writer.add(list(moves.values()))
    writer.close()
    assert {move.source: move for move in read(Path(writer.path)).moves} == {
        move.source: move for move in moves.values()
    }


def test_a_manifest_is_never_written_over(tmp_path: Path) -> None:
    paths = []
    for _ in range(5):
        writer = ManifestWriter(str(tmp_path), HEADER)
        writer.close()
        paths.append(writer.path)
    assert len(set(paths)) == 5


def test_of_two_lines_about_one_source_the_later_one_counts(tmp_path: Path) -> None:
    writer = ManifestWriter(str(tmp_path), HEADER)
    again = replace(MOVE, destination="p/a (2).jpg")
    writer.add([MOVE, replace(MOVE, source="/p/c.jpg"), again])
    writer.close()
    assert [move.destination for move in read(Path(writer.path)).moves] == [
        "p/a.jpg",
        "p/a (2).jpg",
    ]


def test_cut_short_anywhere_it_says_what_was_done_by_then(path: Path) -> None:
    whole = path.read_bytes()
    first, second, third = [at for at, byte in enumerate(whole) if byte == 10]
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        found = read(path)
        # A last line that is whole but for its end says nothing that is not so.
        wanted = (end >= first, end >= second, end >= third)
        assert (found.header is not None, bool(found.folders), bool(found.moves)) == wanted


def test_a_damaged_line_before_the_last_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'{"made"', b'{made"'))
    with pytest.raises(EngineError, match="line 2: it is no JSON"):
        read(path)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xe0 a picture",
        b"\0" * 100,
        b'{"a": 1}\n',
        b"[1]\n",
        b"[" * 100_000 + b"\n",
        b'{"manifest": "another"}\n',
        b'{"manifest": "engine duplicates"}\n',
        b'{"manifest": "engine duplicates", "version": true}\n',
        b'{"manifest": "engine duplicates", "version": 1, "store": 5}\n',
        b'{"manifest": "engine duplicates", "version": ' + b"9" * 5000 + b"}\n",
    ],
    ids=range(10),
)
def test_another_file_is_no_manifest(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(EngineError, match="Name a file that"):
        read(tmp_path / "file")


def test_a_newer_one_is_told_as_such(path: Path) -> None:
    with pytest.raises(EngineError, match=r"version 2 was written by a newer release\. Update"):
        read(changed(path, 0, version=2))


HOSTILE: list[dict[str, Any]] = [
    {"source": "p/a.jpg"},
    {"source": "/p/../etc/a.jpg"},
    {"source": "/q/a.jpg"},
    {"source": "//p/a.jpg"},
    {"source": "/p/./a.jpg"},
    {"source": "/p/a.jpg/"},
    {"source": "/p/a\0.jpg"},
    {"source": "/p/\ud800.jpg"},
    {"source": "/p/authorized_keys"},
    {"source": "/p/.bashrc"},
    {"source": ...},
    {"source": ["/p/a.jpg"]},
    {"root": "/p/../.."},
    {"root": ""},
    {"copy_of": "b.jpg"},
    {"copy_of": None},
    {"destination": "../a.jpg"},
    {"destination": "/etc/a.jpg"},
    {"destination": "p/../../a.jpg"},
    {"destination": "./a.jpg"},
    {"destination": ""},
    {"destination": "p/a.conf"},
    {"size": -1},
    {"size": 0},
    {"size": 5.0},
    {"size": "5"},
    {"size": True},
    {"size": 2**63},
    {"mtime_ns": 2**90},
    {"mtime_ns": None},
    {"root_inode": -1},
    {"root_inode": ...},
    {"sha256": "ab"},
    {"sha256": "AB" * 32},
    {"sha256": "zz" * 32},
]


@pytest.mark.parametrize("values", HOSTILE, ids=str)
def test_a_line_that_is_not_harmless_is_refused(path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=r"line 3: .*Name a file that"):
        read(changed(path, 2, **values))


@pytest.mark.parametrize("made", ["..", "../a", "/tmp", "", ".", "a/../b", 5, "a\0", "a//b"])
def test_so_is_a_folder_outside(path: Path, made: Any) -> None:
    with pytest.raises(EngineError, match="line 2: "):
        read(changed(path, 1, made=made))


def test_lines_and_files_have_a_size(path: Path) -> None:
    with pytest.raises(EngineError, match="line 1: it is longer"):
        read(path, ManifestLimits(line_bytes=20))
    with pytest.raises(EngineError, match="it is larger than 20 bytes"):
        read(path, ManifestLimits(file_bytes=20))


@pytest.mark.parametrize("there", ["nothing", "folder", "link", "pipe"])
def test_what_is_no_ordinary_file_is_refused(path: Path, there: str) -> None:
    other = path.with_name("other")
    if there == "folder":
        other.mkdir()
    elif there == "link":
        other.symlink_to(path)
    elif there == "pipe":
        os.mkfifo(other)
    with pytest.raises(EngineError, match="it cannot be read"):
        read(other)


def test_two_never_work_with_one(path: Path) -> None:
    with closing(open_manifest(str(path))), pytest.raises(EngineError, match="another process"):
        open_manifest(str(path))
    writer = ManifestWriter(str(path.parent), HEADER)
    with closing(writer), pytest.raises(EngineError, match="another process"):
        open_manifest(writer.path)
    open_manifest(writer.path).close()


def test_what_would_be_refused_is_not_written() -> None:
    assert problem_of(MOVE) is None
    assert problem_of(replace(MOVE, source="/p/a", destination="p/a")) is not None
    assert problem_of(replace(MOVE, source="//p/a.jpg", root="//p")) is not None
