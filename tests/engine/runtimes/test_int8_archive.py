"""The file of a quantized network: complete by itself, pinned by its hash, restored when lost."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from engine.backbones.table import backbone_named
from engine.errors import CatalogDamagedError, CatalogVersionError
from engine.runtimes.int8_archive import base_fingerprint, fingerprint_of, pack, unpack

LITE0 = backbone_named("efficientnet_lite0")
CONTENT = {"model.xml": b"<net/>", "model.bin": bytes(5000), "classifier.safetensors": b"layer"}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with files that stand for a network."""
    folder = tmp_path / "made"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def file(made: Path) -> bytes:
    return pack(made, LITE0.name, "a" * 64)


def never() -> bytes:
    raise AssertionError("the cache had it")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in CONTENT}


def test_the_same_network_is_the_same_file(made: Path, file: bytes) -> None:
    for path in made.iterdir():
        path.touch()
    assert pack(made, LITE0.name, "a" * 64) == file


def test_nothing_in_the_file_is_compressed(file: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_fingerprint_depends_on_the_backbone_and_on_every_byte(made: Path, file: bytes) -> None:
    before = fingerprint_of(file)
    assert fingerprint_of(pack(made, LITE0.name, "b" * 64)) != before
    (made / "model.bin").write_bytes(bytes(4999) + b"\1")
    assert fingerprint_of(pack(made, LITE0.name, "a" * 64)) != before
    assert len(before) == 64 and before != "a" * 64


def test_a_network_says_what_it_was_quantized_from(file: bytes) -> None:
    assert base_fingerprint(file) == "a" * 64


def test_a_network_comes_out_as_it_went_in(tmp_path: Path, file: bytes) -> None:
    found = unpack(LITE0, fingerprint_of(file), tmp_path / "cache", lambda: file)
    assert contents(found.folder) == CONTENT
    assert (found.model.name, found.classifier.name) == ("model.xml", "classifier.safetensors")
    assert found.weights is None


def test_a_network_in_the_cache_is_not_read_from_the_catalog(tmp_path: Path, file: bytes) -> None:
    fingerprint = fingerprint_of(file)
    first = unpack(LITE0, fingerprint, tmp_path, lambda: file)
    assert unpack(LITE0, fingerprint, tmp_path, never) == first


@pytest.mark.parametrize("name", ["", "model.xml", "model.bin", "classifier.safetensors"])
def test_what_the_cache_lost_comes_back_from_the_catalog(
    tmp_path: Path, file: bytes, name: str
) -> None:
    fingerprint = fingerprint_of(file)
    folder = unpack(LITE0, fingerprint, tmp_path, lambda: file).folder
    if name:
        (folder / name).write_bytes(b"")
    else:
        shutil.rmtree(folder)
    assert contents(unpack(LITE0, fingerprint, tmp_path, lambda: file).folder) == CONTENT


def test_another_network_than_the_recorded_one_is_refused(
    tmp_path: Path, made: Path, file: bytes
) -> None:
    other = pack(made, LITE0.name, "b" * 64)
    with pytest.raises(CatalogDamagedError, match="hash is not the one"):
        unpack(LITE0, fingerprint_of(file), tmp_path, lambda: other)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("broken", [b"", b"PK nonsense", b"\0" * 100])
def test_what_is_no_network_is_refused(broken: bytes) -> None:
    with pytest.raises(CatalogDamagedError, match="it is no network"):
        fingerprint_of(broken)


def test_a_network_that_was_cut_off_is_refused(file: bytes) -> None:
    with pytest.raises(CatalogDamagedError):
        fingerprint_of(file[:-40])


def test_a_network_of_a_newer_format_is_refused() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("facts.json", json.dumps({"format": 2, "fingerprint": "a" * 64}))
    with pytest.raises(CatalogVersionError, match="format 2"):
        fingerprint_of(content.getvalue())


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, file: bytes) -> None:
    (tmp_path / "file").touch()  # a file where the folder would be
    found = unpack(LITE0, fingerprint_of(file), tmp_path / "file", lambda: file)
    assert contents(found.folder) == CONTENT
