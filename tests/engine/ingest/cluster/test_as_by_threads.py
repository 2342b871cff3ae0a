"""What a run by workers makes of what has changed is what a run by threads makes of it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Engine, IndexReport, IngestOptions
from tests.engine.ingest.cluster.conftest import PICTURES, QUICK
from tests.support.catalogs import contents
from tests.support.shop import LONG_AGO, counts, put

pytestmark = pytest.mark.slow
Index = Callable[..., IndexReport]
NewEngine = Callable[[str], Engine]


def _labels(engine: Engine) -> dict[str, str | None]:
    return {Path(path).name: label for path, (_, label, *_) in contents(engine).items()}


def _damage(engine: Engine, name: str) -> None:
    """Flip an exponent bit of the first number of a file's stored vector."""
    with closing(sqlite3.connect(engine.config.store.catalog)) as database:
        query = "SELECT id, vector FROM images JOIN embeddings ON image_id = id WHERE path LIKE ?"
        [(key, vector)] = database.execute(query, (f"%/{name}",)).fetchall()
        changed = bytes((*vector[:1], vector[1] ^ 0x40, *vector[2:]))
        database.execute("UPDATE embeddings SET vector = ? WHERE image_id = ?", (changed, key))
        database.commit()


@pytest.mark.parametrize("how", [shutil.move, shutil.copy2])
def test_a_picture_that_is_moved_or_copied_takes_its_label_along(
    index: Index, engine_on: NewEngine, folder: Path, how: Callable[[Path, Path], object]
) -> None:
    index(label="parent")
    how(folder / "lamp" / "0.bmp", folder / "other.bmp")
    index()
    assert _labels(engine_on("store"))["other.bmp"] == "lamp"


@pytest.mark.parametrize("verify", [False, True])
def test_a_damaged_embedding_is_made_again(
    index: Index, engine_on: NewEngine, folder: Path, verify: bool
) -> None:
    index()
    before = contents(engine_on("store"))
    _damage(engine_on("store"), "0.bmp")
    report = index(verify=verify)
    assert counts(report) == {"updated": 1, "unchanged": PICTURES - 1, "embedded": 1}
    assert report.notes == [
        f"{folder / 'lamp' / '0.bmp'}: its stored embedding was damaged and is made again"
    ]
    assert contents(engine_on("store")) == before


def test_a_copy_does_not_take_over_a_damaged_embedding(
    index: Index, engine_on: NewEngine, folder: Path
) -> None:
    index()
    _damage(engine_on("store"), "0.bmp")
    shutil.copy2(folder / "lamp" / "0.bmp", folder / "a-copy.bmp")
    index(options=replace(QUICK, shard_images=1))
    engine_on("other").index([folder])
    assert contents(engine_on("store")) == contents(engine_on("other"))


def test_of_several_with_one_content_the_one_that_has_left_gives_its_label(
    index: Index, engine_on: NewEngine, folder: Path
) -> None:
    shutil.copy2(folder / "lamp" / "0.bmp", folder / "bed" / "twin.bmp")
    index(label="parent")
    (folder / "bed" / "twin.bmp").rename(folder / "other.bmp")
    index()
    assert _labels(engine_on("store"))["other.bmp"] == "bed"


def test_a_picture_that_came_from_outside_is_gone_from_there(
    index: Index, engine_on: NewEngine, folder: Path
) -> None:
    index()
    (folder / "lamp" / "0.bmp").rename(folder / "bed" / "0.bmp")
    report = index(root=folder / "bed")
    assert counts(report) == {"added": 1, "removed": 1, "unchanged": PICTURES // 2}
    engine_on("other").index([folder])
    assert contents(engine_on("store")) == contents(engine_on("other"))


@pytest.mark.parametrize("rule", ["parent", "table"])
def test_the_same_is_said_of_what_is_in_an_archive(
    index: Index, engine_on: NewEngine, folder: Path, rule: str
) -> None:
    path = folder.parent / "shop.tar"
    with tarfile.open(path, "w") as archive:
        for number, name in enumerate(("Bed/a", "bed/b", ".hidden/c", "bed/thumb", "bed/.d")):
            archive.add(folder / ("bed" if number % 2 else "lamp") / f"{number}.bmp", f"{name}.bmp")
    table = folder.parent / "labels.csv"
    rows = [f"{path}/Bed/a.bmp,Sofa", f"{path}/bed/b.bmp,sofa", f"{path}/nothing.bmp,chair"]
    table.write_text("path,label\n" + "\n".join(rows))
    label = {"parent": "parent", "table": str(table)}[rule]
    options = IngestOptions(("thumb*",))
    by_threads = engine_on("other").index([path], label=label, options=options)
    by_workers = index(root=path, label=label, exclude=options.exclude)
    assert replace(by_workers, seconds=1.0, images_per_second=0.0) == replace(
        by_threads, seconds=1.0, images_per_second=0.0
    )
    assert (by_workers.left_out, by_workers.excluded) == (2, 1)
    assert len(by_workers.notes) == 1
    assert len(by_workers.unused_labels) == (rule == "table")


def _change(folder: Path, chance: random.Random, content: int) -> None:
    """Let one thing happen to a shop; no two of its pictures have one content."""
    name = chance.choice(("a", "new\nline", "\udcff", "😀"))
    new = folder / chance.choice(("bed", "Bed", "deep/lamp")) / f"{name}{content}.bmp"
    new.parent.mkdir(parents=True, exist_ok=True)
    old = chance.choice(sorted(folder.rglob("*.bmp")))
    what = chance.choice(("add", "add", "change", "move", "remove", "touch", "spoil"))
    if what in ("add", "change"):
        put(new if what == "add" else old, content)
    elif what == "move":
        old.rename(new)
    elif what == "remove":
        old.unlink()
    elif what == "spoil":
        new.write_bytes(b"BM no picture")
    else:
        os.utime(old, (LONG_AGO, LONG_AGO + content))


def _told(report: IndexReport) -> dict[str, object]:
    """Return what must be the same; what threads know to have moved is new, and gone."""
    names = ("unchanged", "updated", "images", "embedded", "excluded", "skipped")
    told: dict[str, object] = {name: getattr(report, name) for name in names}
    return told | {"seen": report.added + report.moved + report.came_back}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_has_happened_it_comes_to_the_same(
    index: Index, engine_on: NewEngine, folder: Path, seed: int
) -> None:
    chance = random.Random(seed)
    one, other = engine_on("store"), engine_on("other")
    for step in range(5):
        for content in range(100 * (step + 1), 100 * (step + 1) + chance.randint(1, 6)):
            _change(folder, chance, content)
        label = chance.choice((None, None, "parent", "none"))
        options = IngestOptions(chance.choice(((), (), ("deep",))), verify=chance.random() < 0.3)
        by_threads = other.index([folder], label=label, options=options)
        by_workers = index(label=label, exclude=options.exclude, verify=options.verify)
        assert contents(one) == contents(other)
        assert _told(by_workers) == _told(by_threads)
        # A picture that has moved is a new one here, and such a one is not relabelled.
        assert by_workers.relabelled == by_threads.relabelled or by_threads.moved
