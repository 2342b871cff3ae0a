"""Indexing: what is new, changed, moved, gone and back, and that nothing is opened in vain."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Config, Engine, IndexReport, Reporter
from engine.pictures.prefetch import ImageMemory, Reserve, Result
from engine.testing import FakeEmbedder

LONG_AGO = 1_600_000_000


def image(content: int) -> Image.Image:
    """Return a picture that no other number gives: sixteen squares of colour."""
    squares = np.random.default_rng(content).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(squares).resize((24, 24), Image.Resampling.NEAREST)


@dataclass
class Shop:
    """A folder of pictures, all of one size in bytes, and the engine that indexes it."""

    folder: Path
    engine: Engine
    memory: NotingMemory
    reporter: NotingReporter

    def put(self, name: str | bytes, content: int) -> Path:
        """Write a picture that looks long untouched, at a time of its content's own."""
        path = self.folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        image(content).save(path, "BMP")
        os.utime(path, (LONG_AGO, LONG_AGO + content))
        return path

    def index(self, label: str | None = None) -> IndexReport:
        """Index the folder; `opened` then names the files that were read."""
        self.memory.opened.clear()
        return self.engine.index([self.folder], label=label)

    @property
    def opened(self) -> list[str]:
        """The files that the last run read."""
        return [os.path.relpath(path, self.folder) for path in self.memory.opened]

    def shown(self, *contents: int) -> dict[str, list[str]]:
        """Return for each content the names of the files that a search finds to be just it."""
        return {str(content): self._names(content) for content in contents}

    def names(self) -> list[str]:
        """Return the names of all files that a search can find."""
        hits = self.engine.search(self._bytes(1), k=1000)
        return sorted(os.path.relpath(hit.path, self.folder) for hit in hits)

    def labels(self) -> dict[str, str | None]:
        """Return the label of every file."""
        hits = self.engine.search(self._bytes(1), k=1000)
        return {os.path.relpath(hit.path, self.folder): hit.label for hit in hits}

    def _names(self, content: int) -> list[str]:
        hits = self.engine.search(self._bytes(content), k=1000, min_score=0.9999)
        return sorted(os.path.relpath(hit.path, self.folder) for hit in hits)

    def _bytes(self, content: int) -> bytes:
        path = self.folder.parent / "query.bmp"
        image(content).save(path, "BMP")
        return path.read_bytes()


class NotingMemory(ImageMemory):
    """Notes which images take a turn: those that are opened."""

    def __init__(self) -> None:
        super().__init__(10**9)
        self.opened: list[str] = []

    def turn(self, name: str, work: Callable[[Reserve], Result]) -> Result:
        """Note the name."""
        self.opened.append(name)
        return super().turn(name, work)


class NotingReporter(Reporter):
    """Notes progress."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int | None, str]] = []

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Note it."""
        self.told.append((task, done, total, unit))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A folder with the pictures a.bmp, b.bmp and sub/c.bmp of contents 1, 2 and 3."""
    config, reporter = Config.at(tmp_path / "store"), NotingReporter()
    embedder = FakeEmbedder(config)
    embedder.memory = memory = NotingMemory()
    with Engine(config, reporter, embedder=embedder) as engine:
        made = Shop(tmp_path / "shop", engine, memory, reporter)
        for content, name in enumerate(("a.bmp", "b.bmp", "sub/c.bmp"), start=1):
            made.put(name, content)
        yield made


def counts(report: IndexReport) -> dict[str, int]:
    """Return the counts that are not zero."""
    names = ("added", "updated", "moved", "unchanged", "removed", "came_back", "embedded")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def test_new_images_are_added_and_found(shop: Shop) -> None:
    assert counts(shop.index()) == {"added": 3, "embedded": 3}
    assert shop.shown(1, 2, 3) == {"1": ["a.bmp"], "2": ["b.bmp"], "3": ["sub/c.bmp"]}


def test_a_second_run_opens_no_image(shop: Shop) -> None:
    shop.index()
    assert counts(shop.index()) == {"unchanged": 3}
    assert shop.opened == []


def test_a_changed_image_is_updated_alone(shop: Shop) -> None:
    shop.index()
    shop.put("a.bmp", 7)
    assert counts(shop.index()) == {"updated": 1, "unchanged": 2, "embedded": 1}
    assert shop.opened == ["a.bmp"]
    assert shop.shown(1, 7) == {"1": [], "7": ["a.bmp"]}


def test_a_file_that_was_only_touched_is_unchanged_and_not_embedded(shop: Shop) -> None:
    shop.index()
    os.utime(shop.folder / "a.bmp", (LONG_AGO, LONG_AGO + 999))
    assert counts(shop.index()) == {"unchanged": 3}
    assert shop.opened == ["a.bmp"]
    shop.index()
    assert shop.opened == []


def test_a_file_that_was_young_when_it_was_scanned_is_looked_at_again(shop: Shop) -> None:
    now = time.time_ns()
    os.utime(shop.put("a.bmp", 1), ns=(now, now))
    shop.index()
    os.utime(shop.put("a.bmp", 7), ns=(now, now))
    assert counts(shop.index()) == {"updated": 1, "unchanged": 2, "embedded": 1}
    assert shop.shown(1, 7) == {"1": [], "7": ["a.bmp"]}


def test_a_removed_file_disappears_from_search(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").unlink()
    report = shop.index()
    assert counts(report) == {"removed": 1, "unchanged": 2}
    assert (report.images, shop.names()) == (2, ["b.bmp", "sub/c.bmp"])


def test_a_file_that_is_gone_is_counted_once(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").unlink()
    shop.index()
    assert counts(shop.index()) == {"unchanged": 2}


def test_a_file_that_comes_back_is_visible_again_without_being_opened(shop: Shop) -> None:
    shop.index()
    shop.folder.joinpath("a.bmp").rename(shop.folder.parent / "elsewhere.bmp")
    shop.index()
    shop.folder.parent.joinpath("elsewhere.bmp").rename(shop.folder / "a.bmp")
    assert counts(shop.index()) == {"came_back": 1, "unchanged": 2}
    assert shop.opened == []
    assert shop.shown(1) == {"1": ["a.bmp"]}


def test_a_file_that_comes_back_with_other_content_shows_that(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").unlink()
    shop.index()
    shop.put("a.bmp", 8)
    assert shop.index().embedded == 1
    assert shop.shown(1, 8) == {"1": [], "8": ["a.bmp"]}


def test_a_file_that_moved_keeps_its_embedding(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").rename(shop.folder / "sub" / "z.bmp")
    assert counts(shop.index()) == {"moved": 1, "unchanged": 2}
    assert shop.shown(1) == {"1": ["sub/z.bmp"]}


def test_the_images_of_a_renamed_folder_are_moved(shop: Shop) -> None:
    for content in range(10, 15):
        shop.put(f"old/{content}.bmp", content)
    shop.index()
    (shop.folder / "old").rename(shop.folder / "new")
    assert counts(shop.index()) == {"moved": 5, "unchanged": 3}
    assert shop.shown(10, 14) == {"10": ["new/10.bmp"], "14": ["new/14.bmp"]}


def test_a_file_moved_after_it_was_missed_is_moved_still(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").rename(shop.folder.parent / "elsewhere.bmp")
    shop.index()
    (shop.folder.parent / "elsewhere.bmp").rename(shop.folder / "z.bmp")
    assert counts(shop.index()) == {"moved": 1, "unchanged": 2}
    assert shop.shown(1) == {"1": ["z.bmp"]}


def test_two_files_that_swapped_names_keep_the_right_embeddings(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").rename(shop.folder / "t")
    (shop.folder / "b.bmp").rename(shop.folder / "a.bmp")
    (shop.folder / "t").rename(shop.folder / "b.bmp")
    assert shop.index().updated == 2
    assert shop.shown(1, 2) == {"1": ["b.bmp"], "2": ["a.bmp"]}


def test_a_file_renamed_over_another_takes_its_place(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").replace(shop.folder / "b.bmp")
    assert counts(shop.index()) == {"updated": 1, "removed": 1, "unchanged": 1}
    assert shop.shown(1, 2) == {"1": ["b.bmp"], "2": []}


def test_a_copy_is_added_without_being_embedded(shop: Shop) -> None:
    shop.index()
    shutil.copy2(shop.folder / "a.bmp", shop.folder / "copy.bmp")
    assert counts(shop.index()) == {"added": 1, "unchanged": 3}
    assert shop.shown(1) == {"1": ["a.bmp", "copy.bmp"]}


@pytest.mark.parametrize(
    "name", ["new\nline.bmp", "b🛋ld.bmp", b"\xff\xfe raw.bmp", "tab\t'\" ;--.bmp", "%_*?.bmp"]
)
def test_strange_names_are_indexed_found_and_remembered(shop: Shop, name: str | bytes) -> None:
    shop.put(name, 9)
    shop.index()
    assert shop.shown(9) == {"9": [os.fsdecode(name)]}
    assert counts(shop.index()) == {"unchanged": 4}


def test_a_single_file_can_be_indexed_and_the_others_left_alone(shop: Shop) -> None:
    shop.index()
    shop.put("a.bmp", 7)
    (shop.folder / "b.bmp").unlink()
    assert counts(shop.engine.index([shop.folder / "a.bmp"])) == {"updated": 1, "embedded": 1}
    assert shop.names() == ["a.bmp", "b.bmp", "sub/c.bmp"]


def test_a_subfolder_indexed_alone_leaves_the_rest_alone(shop: Shop) -> None:
    shop.index()
    (shop.folder / "a.bmp").unlink()
    assert counts(shop.engine.index([shop.folder / "sub"])) == {"unchanged": 1}
    assert shop.names() == ["a.bmp", "b.bmp", "sub/c.bmp"]


def test_the_parent_folder_can_be_the_label(shop: Shop) -> None:
    shop.index("parent")
    assert shop.labels() == {"a.bmp": "shop", "b.bmp": "shop", "sub/c.bmp": "sub"}


def test_labels_stay_when_none_are_given(shop: Shop) -> None:
    shop.index("parent")
    shop.put("a.bmp", 7)
    (shop.folder / "sub").rename(shop.folder / "elsewhere")
    shop.index()
    assert shop.labels() == {"a.bmp": "shop", "b.bmp": "shop", "elsewhere/c.bmp": "sub"}


def test_a_moved_file_gets_its_new_folders_label(shop: Shop) -> None:
    shop.index("parent")
    (shop.folder / "sub").rename(shop.folder / "bed")
    assert counts(shop.index("parent")) == {"moved": 1, "unchanged": 2}
    assert shop.labels()["bed/c.bmp"] == "bed"


@pytest.mark.parametrize("touched", [False, True])
def test_labels_can_be_given_and_taken_without_embedding(shop: Shop, touched: bool) -> None:
    shop.index()
    for label, wanted in (("parent", "sub"), ("none", None)):
        if touched:
            os.utime(shop.folder / "sub" / "c.bmp")
        assert shop.index(label).embedded == 0
        assert shop.opened == (["sub/c.bmp"] if touched else [])
        assert shop.labels()["sub/c.bmp"] == wanted


def test_a_table_gives_labels_to_the_files_it_names(shop: Shop, tmp_path: Path) -> None:
    shop.index("parent")
    table = tmp_path / "labels.csv"
    absolute = shop.folder / "b.bmp"
    table.write_text(f"path,label\nshop/a.bmp,möbel\n{absolute},\n", encoding="utf-8")
    shop.index(str(table))
    assert shop.labels() == {"a.bmp": "möbel", "b.bmp": None, "sub/c.bmp": "sub"}


def test_every_image_is_told_of_as_progress(shop: Shop) -> None:
    shop.index()
    assert [each for each in shop.reporter.told if each[0] == "indexing"] == [
        ("indexing", number, 3, "images") for number in (1, 2, 3)
    ]
