"""A store of the old release, copied, with its pictures drawn again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import Config, Engine
from engine.backbones.networks import load_state
from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsCache
from engine.pictures.preprocess import Pixels
from engine.testing import FakeEmbedder
from index.records import Vectors
from tests.old_store import drawing

DATA = Path(__file__).parent / "data"
# How many of each category `make.py` drew.
DRAWN = {"exact": 12, "compressed": 62, "finetuned": 4}


class CountingEmbedder(FakeEmbedder):
    """Counts what it embeds."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.embedded = 0

    def embed(self, inputs: Sequence[Pixels]) -> Vectors:
        self.embedded += len(inputs)
        return super().embed(inputs)


@dataclass
class OldStore:
    """A copy of a store, the pictures it was made of, and what the old release answered.

    Attributes
    ----------
    folder, pictures
        Where the copy and its pictures lie.
    answers
        What `make.py` recorded, with paths relative to the pictures.
    engine
        On the copy.
    embedder
        What counts; None where the backbone is a real one.
    """

    folder: Path
    pictures: Path
    answers: dict[str, Any]
    engine: Engine
    embedder: CountingEmbedder | None = None

    def relative(self, path: str) -> str:
        """Return a path as the answers have it."""
        return str(Path(path).relative_to(self.pictures))


def unpack(name: str, tmp_path: Path) -> tuple[Path, Path, dict[str, Any]]:
    """Copy a store and draw its pictures; return the two folders and the old answers.

    The catalog's paths are those of the machine that made it: they are changed to where the
    pictures are now, as for a store that was moved together with its pictures.
    """
    store, pictures = tmp_path / "store", tmp_path / "pictures"
    shutil.unpack_archive(DATA / f"{name}.zip", store)
    answers: dict[str, Any] = json.loads((DATA / "answers.json").read_text())[name]
    before = answers["pictures"]
    with closing(sqlite3.connect(store / "catalog.sqlite")) as database, database:
        database.execute(
            "UPDATE images SET path = ? || substr(path, ?) WHERE substr(path, 1, ?) = ?",
            (str(pictures), len(before) + 1, len(before), before),
        )
        rows = database.execute("SELECT path FROM images WHERE missing_since IS NULL").fetchall()
    drawing.draw(pictures, range(DRAWN[name]))
    if name == "exact":
        drawing.draw_copies(pictures)
    for hidden in (20, 21, 22, 23) if name == "compressed" else ():
        (pictures / "lamp" / f"lamp-{hidden:04}.bmp").unlink()
    assert sorted(map(str, pictures.rglob("*.bmp"))) == sorted(path for (path,) in rows)
    return store, pictures, answers


def weights_with(gain: float, cache: Path) -> bytes:
    """Return weights of a fine-tuned backbone; another gain gives another one."""
    base = backbone_named("efficientnet_lite0")
    untouched = WeightsCache(cache).find(base)
    assert untouched is not None
    return drawing.finetuned_weights(load_state(base, untouched.path), gain)
