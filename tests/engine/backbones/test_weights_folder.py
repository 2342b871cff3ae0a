"""A folder of weights: found by hash for as long as they lie there, whatever a name means now."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from engine.backbones.weights_folder import WeightsFolder, WeightsRecord


@pytest.fixture
def folder(tmp_path: Path) -> WeightsFolder:
    """A folder that does not exist yet."""
    return WeightsFolder(tmp_path / "weights")


def put(folder: WeightsFolder, name: str, content: bytes, *, label: bool = True) -> WeightsRecord:
    """Put weights into a folder, and record them."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder.file(name, sha256, ".pth")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    record = WeightsRecord(name, path, sha256, {"origin": "a test"})
    folder.add(record, label=label)
    return record


def paths(records: list[WeightsRecord]) -> list[Path]:
    return [record.path for record in records]


def test_a_folder_that_is_not_there_holds_nothing(folder: WeightsFolder) -> None:
    assert (folder.labels(), folder.records(), list(folder.unrecorded())) == ([], [], [])
    assert folder.labelled("a") is None
    assert not folder.path.exists()


def test_a_label_means_what_was_recorded_last(folder: WeightsFolder) -> None:
    first, second = put(folder, "a", b"first"), put(folder, "a", b"second")
    found = folder.labelled("a")
    assert found is not None
    assert (found.path, found.sha256, found.facts["origin"]) == (
        second.path,
        second.sha256,
        "a test",
    )
    assert paths(folder.records()) == sorted([first.path, second.path])
    assert folder.labels() == ["a"]


def test_what_is_recorded_without_a_label_changes_no_name(folder: WeightsFolder) -> None:
    first = put(folder, "a", b"first")
    put(folder, "a", b"second", label=False)
    found = folder.labelled("a")
    assert found is not None and found.path == first.path


def test_a_name_without_a_label_means_nothing_and_its_weights_stay(folder: WeightsFolder) -> None:
    record = put(folder, "a", b"first")
    folder.unlabel("a")
    assert (folder.labelled("a"), folder.labels()) == (None, [])
    assert paths(folder.records()) == [record.path]
    folder.unlabel("b")


def test_a_label_that_cannot_be_written_leaves_the_name_as_it_was(folder: WeightsFolder) -> None:
    first = put(folder, "a", b"first")
    # What could not be recorded before the label was written would be named and not found.
    (folder.path / "records").rename(folder.path / "elsewhere")
    (folder.path / "records").touch()
    with pytest.raises(OSError, match="records"):
        put(folder, "a", b"second")
    (folder.path / "records").unlink()
    (folder.path / "elsewhere").rename(folder.path / "records")
    found = folder.labelled("a")
    assert found is not None and found.path == first.path


def test_files_without_a_record_are_hashed_and_named_by_their_beginning(
    folder: WeightsFolder,
) -> None:
    put(folder, "a", b"recorded")
    for name in ("a-b-1234.pth", "plain.safetensors", "a.part", "notes.txt"):
        (folder.path / name).write_bytes(name.encode())
    found = {record.name: record for record in folder.unrecorded()}
    assert sorted(found) == ["a-b", "plain"]
    assert found["plain"].sha256 == hashlib.sha256(b"plain.safetensors").hexdigest()
    assert not (folder.path / "records" / "plain.json").exists()


def test_what_was_found_by_hashing_is_hashed_once(folder: WeightsFolder) -> None:
    folder.path.mkdir()
    (folder.path / "a-1.pth").write_bytes(b"weights")
    (record,) = folder.unrecorded()
    folder.adopt(record)
    assert list(folder.unrecorded()) == []
    assert paths(folder.records()) == [record.path]
    assert folder.labels() == []


def test_a_folder_that_cannot_be_written_is_hashed_again(folder: WeightsFolder) -> None:
    folder.path.mkdir()
    (folder.path / "a-1.pth").write_bytes(b"weights")
    (folder.path / "records").touch()  # a file where the folder would be
    (record,) = folder.unrecorded()
    folder.adopt(record)
    assert len(list(folder.unrecorded())) == 1
