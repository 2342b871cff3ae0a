"""OpenVINO sees only compiled models that are as they were noted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.runtimes.compiled_cache import MOST, CompiledCache
from engine.runtimes.model_cache import CHECKSUMS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache of one compiled model, which is noted."""
    folder = tmp_path / "compiled"
    cache = CompiledCache(folder)
    assert cache.is_usable
    assert not cache.is_filled
    (folder / "1.blob").write_bytes(bytes(range(256)))
    cache.note()
    return folder


def test_what_was_noted_stays(folder: Path) -> None:
    assert CompiledCache(folder).is_filled
    assert (folder / "1.blob").read_bytes() == bytes(range(256))


@pytest.mark.parametrize("position", range(0, 256, 5))
def test_what_has_changed_is_removed(folder: Path, position: int) -> None:
    data = bytearray(range(256))
    data[position] ^= 1 << position % 8
    (folder / "1.blob").write_bytes(data)
    cache = CompiledCache(folder)
    assert cache.is_usable
    assert not cache.is_filled
    assert not (folder / "1.blob").exists()


def test_what_nobody_noted_is_removed(folder: Path) -> None:
    (folder / "2.blob").write_bytes(b"half of a model")
    assert CompiledCache(folder).is_filled
    assert sorted(path.name for path in folder.iterdir()) == ["1.blob", CHECKSUMS]


@pytest.mark.parametrize("notes", [b"", b"{", b"[]", b'{"1.blob": "x"}', b"\xff"])
def test_without_its_note_it_is_removed(folder: Path, notes: bytes) -> None:
    (folder / CHECKSUMS).write_bytes(notes)
    assert not CompiledCache(folder).is_filled


def test_the_oldest_go_where_there_are_many(folder: Path) -> None:
    for number in range(2, MOST + 3):
        path = folder / f"{number}.blob"
        path.write_bytes(bytes(number))
        os.utime(path, (10**10 + number, 10**10 + number))
    CompiledCache(folder).note()
    kept = sorted(path.name for path in folder.glob("*.blob"))
    assert kept == [f"{number}.blob" for number in range(3, MOST + 3)]
    assert CompiledCache(folder).is_filled


def test_a_damaged_one_that_cannot_be_removed_keeps_openvino_out(folder: Path) -> None:
    (folder / "2.blob").mkdir()
    (folder / "1.blob").write_bytes(b"damaged")
    assert CompiledCache(folder).is_usable
    (folder.parent / "file").touch()
    assert not CompiledCache(folder.parent / "file" / "compiled").is_usable
