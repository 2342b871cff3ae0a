"""Heads of a store as files: exported without loss, and imported from anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine import Engine, TrainOptions, UsageError
from engine.errors import HeadFormatError, HeadMismatchError
from engine.heads.file import head_from_bytes, head_to_bytes
from engine.heads.record import AnsweredImage
from tests.support.heads import packed, tensors_and_header

QUICK = TrainOptions(epochs=4)
PATHS = (
    "javascript:alert(1)",
    "javascript://%0aalert(1)",
    "/etc/passwd",
    "file:///home/me/a.jpg",
)

pytestmark = pytest.mark.slow


@pytest.fixture
def file(fake_engine: Engine, images: Path, tmp_path: Path) -> Path:
    """The file of a head that was trained here."""
    fake_engine.train(images, head="rooms", options=QUICK)
    fake_engine.heads.export("rooms", tmp_path / "rooms.safetensors")
    return tmp_path / "rooms.safetensors"


def test_an_export_writes_over_nothing(fake_engine: Engine, file: Path) -> None:
    file.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        fake_engine.heads.export("rooms", file)
    assert file.read_text() == "mine"


def test_an_export_writes_over_what_it_may(fake_engine: Engine, file: Path) -> None:
    content = file.read_bytes()
    file.write_text("mine")
    fake_engine.heads.export("rooms", file, force=True)
    assert file.read_bytes() == content


def test_an_imported_head_shows_no_image_and_says_why(fake_engine: Engine, file: Path) -> None:
    own = fake_engine.report("rooms")
    fake_engine.heads.add(file, name="imported")
    report = fake_engine.report("imported")
    assert own.shown and not (report.shown or report.mistakes)
    assert "the head was imported" in " ".join(report.missing)
    assert (report.test_images, report.confusion) == (own.test_images, own.confusion)


@pytest.mark.parametrize("path", PATHS)
def test_paths_of_a_stranger_are_in_no_report(fake_engine: Engine, file: Path, path: str) -> None:
    head = head_from_bytes(file.read_bytes(), "x")
    assert head.record is not None and head.record.answers is not None
    shown = (AnsweredImage(path, "bed", (("lamp", 0.9),)),)
    answers = replace(head.record.answers, mistakes=shown, shown=shown)
    record = replace(head.record, answers=answers)
    file.write_bytes(head_to_bytes(replace(head, record=record)))

    fake_engine.heads.add(file, name="imported")

    assert path not in repr(fake_engine.report("imported"))


def test_a_head_of_hostile_names_is_not_imported(fake_engine: Engine, file: Path) -> None:
    head = head_from_bytes(file.read_bytes(), "x")
    file.write_bytes(head_to_bytes(replace(head, categories=("bed", "\x1b[2Jchair", "lamp"))))
    with pytest.raises(HeadFormatError, match="control characters"):
        fake_engine.heads.add(file, name="imported")
    assert [each.name for each in fake_engine.heads] == ["rooms"]


def test_an_exported_head_tells_nothing_of_where_pictures_lie(
    fake_engine: Engine, file: Path, images: Path
) -> None:
    data = file.read_bytes()
    assert fake_engine.report("rooms").shown, "here the pictures are known"
    assert str(images.parent).encode() not in data
    assert b".jpg" not in data


METRICS = ({"images": "abc"}, {"images": float("nan")}, {"images": -1}, {"a": [1]}, [], None, "x")


@pytest.mark.parametrize("metrics", METRICS)
def test_a_head_whose_figures_are_none_is_refused_before_anything_is_stored(
    fake_engine: Engine, file: Path, metrics: object
) -> None:
    tensors, header = tensors_and_header(head_from_bytes(file.read_bytes(), "x"))
    file.write_bytes(packed(tensors, header | {"metrics": metrics}))
    before = fake_engine.status()
    with pytest.raises(HeadFormatError):
        fake_engine.heads.add(file, name="imported")
    assert fake_engine.status() == before
    assert [each.name for each in fake_engine.heads] == ["rooms"]


def test_a_head_of_another_dim_is_refused_before_anything_is_stored(
    fake_engine: Engine, file: Path
) -> None:
    tensors, header = tensors_and_header(head_from_bytes(file.read_bytes(), "x"))
    narrow = {name: tensors[name][:, :-1] for name in ("layers.0.weight", "gate.weight")}
    file.write_bytes(packed(tensors | narrow, header))
    with pytest.raises(HeadMismatchError, match="dim"):
        fake_engine.heads.add(file, name="imported")
    assert [each.name for each in fake_engine.heads] == ["rooms"]


def test_an_imported_head_can_be_exported_and_imported_again(
    fake_engine: Engine, file: Path, tmp_path: Path
) -> None:
    fake_engine.heads.add(file, name="imported")
    fake_engine.heads.export("imported", tmp_path / "again.safetensors")
    assert fake_engine.heads.add(tmp_path / "again.safetensors").name == "imported"


def test_a_head_whose_labels_changed_says_of_how_many_images(
    fake_engine: Engine, images: Path
) -> None:
    fake_engine.index([images], label="parent")
    fake_engine.train(head="rooms", from_labels=True, options=QUICK)
    assert [head.changed_labels for head in fake_engine.heads] == [0]
    (images / "labels.csv").write_text("path,label\nbed/bed-0001.jpg,sofa\nbed/bed-0002.jpg,sofa\n")
    fake_engine.index([images], label=str(images / "labels.csv"))
    assert [head.changed_labels for head in fake_engine.heads] == [2]
    assert fake_engine.heads["rooms"].changed_labels == 2
    assert [head.changed_labels for head in fake_engine.status().heads] == [2]
    fake_engine.train(head="rooms", from_labels=True, options=QUICK)
    assert fake_engine.heads["rooms"].changed_labels == 0
