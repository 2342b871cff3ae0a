"""Indexing when something is wrong: nothing that may still be there is forgotten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Config, Engine, EngineError, IndexReport, Reporter
from engine.errors import DiskFullError
from engine.pictures.preprocess import Pixels
from engine.testing import FakeEmbedder
from index.catalog.tables.images import Batch, ImageTable
from index.records import Vectors
from tests.support.shop import put

AsNobody = Callable[[], AbstractContextManager[None]]


def names(engine: Engine, folder: Path) -> list[str]:
    """Return what a search can find, relative to a folder."""
    hits = engine.search(put(folder.parent / "query.bmp", 0), k=1000)
    return sorted(os.path.relpath(hit.path, folder) for hit in hits)


def skips(report: IndexReport) -> list[tuple[str, str]]:
    return [(os.path.basename(skip.path), skip.reason) for skip in report.skipped]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with the pictures one/a.bmp and two/b.bmp."""
    put(tmp_path / "shop" / "one" / "a.bmp", 1)
    put(tmp_path / "shop" / "two" / "b.bmp", 2)
    return tmp_path / "shop"


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder with a hundred pictures, so that they make several batches."""
    for content in range(100):
        put(tmp_path / "many" / f"{content:03}.bmp", content)
    return tmp_path / "many"


@pytest.fixture
def eager(tmp_path: Path) -> Iterator[Engine]:
    """An engine that commits after every batch."""
    config = replace(Config.at(tmp_path / "store"), commit_seconds=0.0)
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        yield engine


def test_when_a_root_is_suddenly_empty_nothing_is_removed_and_that_is_said(
    two: Path, fake_engine: Engine
) -> None:
    fake_engine.index([two])
    (two / "one").rename(two.parent / "away1")
    (two / "two").rename(two.parent / "away2")
    report = fake_engine.index([two])
    assert (report.removed, report.images) == (0, 2)
    assert [str(two) in note and "engine remove" in note for note in report.notes] == [True]


@pytest.mark.slow
def test_of_several_roots_the_one_that_is_suddenly_empty_keeps_its_images(
    two: Path, fake_engine: Engine
) -> None:
    put(two / "one" / "c.bmp", 3)
    fake_engine.index([two / "one", two / "two"])
    (two / "one" / "c.bmp").unlink()
    (two / "two" / "b.bmp").unlink()
    report = fake_engine.index([two / "one", two / "two"])
    assert (report.removed, len(report.notes)) == (1, 1)
    assert names(fake_engine, two) == ["one/a.bmp", "two/b.bmp"]


def test_a_root_that_never_held_an_image_is_no_reason_for_a_note(
    two: Path, fake_engine: Engine
) -> None:
    (two / "empty").mkdir()
    assert list(fake_engine.index([two / "empty"]).notes) == []


def test_a_missing_root_among_others_is_skipped_and_its_images_kept(
    two: Path, fake_engine: Engine
) -> None:
    fake_engine.index([two / "one", two / "two"])
    (two / "two").rename(two / "unmounted")
    report = fake_engine.index([two / "one", two / "two"])
    assert (report.unchanged, report.removed, report.images) == (1, 0, 2)
    assert skips(report) == [("two", "there is nothing at this path")]


def test_when_no_root_exists_nothing_is_done(two: Path, fake_engine: Engine) -> None:
    fake_engine.index([two])
    with pytest.raises(EngineError, match="nothing at this path"):
        fake_engine.index([two.parent / "gone"])
    assert fake_engine.status().images == 2


def test_of_a_subfolder_that_cannot_be_listed_nothing_is_removed(
    open_folder: Path, as_nobody: AsNobody
) -> None:
    open_folder.chmod(0o777)
    with as_nobody():
        shop = open_folder / "shop"
        put(shop / "one" / "a.bmp", 1)
        put(shop / "two" / "b.bmp", 2)
        config = Config.at(open_folder / "store")
        with Engine(config, embedder=FakeEmbedder(config)) as engine:
            engine.index([shop])
            (shop / "two").chmod(0)
            report = engine.index([shop])
            found = names(engine, shop)
            (shop / "two").chmod(0o755)
            again = engine.index([shop])
    assert (report.removed, report.unchanged, found) == (0, 1, ["one/a.bmp", "two/b.bmp"])
    assert skips(report) == [("two", "permission denied")]
    assert (again.unchanged, again.embedded) == (2, 0)


def test_a_file_that_cannot_be_read_keeps_what_was_known_of_it(
    open_folder: Path, as_nobody: AsNobody
) -> None:
    open_folder.chmod(0o777)
    with as_nobody():
        shop = open_folder / "shop"
        path = put(shop / "a.bmp", 1)
        config = Config.at(open_folder / "store")
        with Engine(config, embedder=FakeEmbedder(config)) as engine:
            engine.index([shop])
            put(path, 2).chmod(0)
            report = engine.index([shop])
            found = names(engine, shop)
    assert (report.removed, report.images, found) == (0, 1, ["a.bmp"])
    assert skips(report) == [("a.bmp", "permission denied")]


def test_a_file_that_was_cut_off_keeps_what_was_known_of_it(two: Path, fake_engine: Engine) -> None:
    fake_engine.index([two])
    path = two / "one" / "a.bmp"
    path.write_bytes(path.read_bytes()[:300])
    report = fake_engine.index([two])
    assert (report.unchanged, report.updated, report.removed) == (1, 0, 0)
    assert skips(report)[0][0] == "a.bmp"
    assert "damaged" in skips(report)[0][1]
    assert names(fake_engine, two) == ["one/a.bmp", "two/b.bmp"]


def test_every_skip_says_what_to_do(two: Path, fake_engine: Engine) -> None:
    (two / "empty.jpg").touch()
    (two / "text.jpg").write_text("no picture")
    (two / "folder.jpg").mkdir()
    (two / "gone.jpg").symlink_to(two / "nothing")
    os.mkfifo(two / "pipe.jpg")
    report = fake_engine.index([two])
    assert [name for name, _ in skips(report)] == [
        "empty.jpg",
        "folder.jpg",
        "gone.jpg",
        "pipe.jpg",
        "text.jpg",
    ]
    assert all(skip.reason and skip.hint for skip in report.skipped)
    assert report.added == 2


def test_a_skipped_image_is_added_once_it_is_whole(two: Path, fake_engine: Engine) -> None:
    (two / "c.bmp").write_bytes(b"")
    assert fake_engine.index([two]).added == 2
    put(two / "c.bmp", 3)
    report = fake_engine.index([two])
    assert (report.added, report.skipped) == (1, [])


class Impatient(Reporter):
    """Interrupts as Ctrl-C does, after so many pictures; the second time not at all."""

    def __init__(self, after: int) -> None:
        self._after = after

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Interrupt when it is time."""
        if task == "indexing" and done == self._after:
            self._after = -1
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, 31, 32, 70, 100])
def test_what_an_interruption_finds_finished_is_kept_and_the_rest_follows(
    many: Path, tmp_path: Path, after: int
) -> None:
    config = Config.at(tmp_path / "store")
    with Engine(config, Impatient(after), embedder=FakeEmbedder(config)) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.index([many])
        assert len(names(engine, many)) == after
        report = engine.index([many])
    assert (report.unchanged, report.added, report.embedded) == (after, 100 - after, 100 - after)


def test_an_interruption_removes_nothing(many: Path, tmp_path: Path) -> None:
    config = Config.at(tmp_path / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([many])
    (many / "000.bmp").unlink()
    put(many / "050.bmp", 500)
    with Engine(config, Impatient(1), embedder=FakeEmbedder(config)) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.index([many])
        assert engine.status().images == 100
        assert engine.index([many]).removed == 1


class Interrupting(FakeEmbedder):
    """Interrupts from its third batch on, until it is told to stop that."""

    batches = 0

    def embed(self, inputs: Sequence[Pixels]) -> Vectors:
        """Embed, or interrupt."""
        self.batches += 1
        if self.batches >= 3:
            raise KeyboardInterrupt
        return super().embed(inputs)


def test_an_interruption_inside_the_backbone_keeps_what_was_committed(
    many: Path, tmp_path: Path
) -> None:
    config = replace(Config.at(tmp_path / "store"), commit_seconds=0.0)
    embedder = Interrupting(config)
    with Engine(config, embedder=embedder) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.index([many])
        assert engine.status().images == 64
        embedder.batches = -1000
        assert (engine.index([many]).added, engine.status().consistent) == (36, True)


def test_a_disk_that_fills_up_keeps_what_was_committed(
    many: Path, eager: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ImageTable.store
    calls = 0

    def full(self: ImageTable, batch: Batch) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise DiskFullError("catalog", "the disk would not take it", "Free some space")
        return store(self, batch)

    monkeypatch.setattr(ImageTable, "store", full)
    with pytest.raises(DiskFullError):
        eager.index([many])
    kept = eager.status().images  # one batch, or those that were finished together
    assert 0 < kept < 100
    assert kept % 32 == 0
    report = eager.index([many])
    assert (report.unchanged, report.added) == (kept, 100 - kept)


def test_a_copy_does_not_take_the_row_of_an_image_that_is_only_out_of_sight(
    fake_engine: Engine, tmp_path: Path, images: Path
) -> None:
    drive, away = tmp_path / "drive", tmp_path / "away"
    shutil.copytree(images / "bed", drive)
    fake_engine.index([drive])
    shutil.copytree(drive, tmp_path / "copy")
    drive.rename(away)
    drive.mkdir()
    report = fake_engine.index([drive, tmp_path / "copy"])
    assert (report.added, report.moved, report.removed) == (4, 0, 0)


def test_a_copy_has_the_label_of_its_twin(
    fake_engine: Engine, tmp_path: Path, images: Path
) -> None:
    fake_engine.index([images / "bed"], label="parent")
    source = min((images / "bed").iterdir())
    copy = tmp_path / "copy.jpg"
    shutil.copy2(source, copy)
    fake_engine.index([copy])
    labels = {hit.path: hit.label for hit in fake_engine.search(source, k=2)}
    assert labels == {str(source): "bed", str(copy): "bed"}
