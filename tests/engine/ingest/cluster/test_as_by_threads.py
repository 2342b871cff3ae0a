"""What a run by workers makes of what has changed is what a run by threads makes of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Engine, IndexReport
from tests.engine.ingest.cluster.conftest import PICTURES, QUICK
from tests.support.catalogs import contents
from tests.support.shop import counts

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
