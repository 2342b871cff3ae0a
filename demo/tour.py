"""The demo, step by step: what a newcomer would do with the drawn pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.catalog import CATEGORIES, draw_catalog
from engine.engine import Engine
from engine.errors import EngineError
from engine.heads.results import Classification
from engine.ingest.results import IndexReport
from engine.learning.results import Evaluation, TrainReport
from engine.progress import Reporter
from engine.search.results import SearchReport

BACKBONE = "efficientnet_lite0"
HEAD = "furniture"


@dataclass(frozen=True, slots=True)
class Part:
    """One of the drawn data sets: a folder's name, and how many images each category has.

    No image is in two parts: the seed of a part is ten times that of the demo, plus `seed`.
    """

    name: str
    per_category: int
    seed: int


PARTS = (Part("catalog", 24, 0), Part("train", 20, 1), Part("test", 8, 2))


@dataclass(frozen=True, slots=True)
class DrawnImages:
    """The drawn data sets, each a folder with one folder per category."""

    folder: Path
    count: int

    def part(self, name: str) -> Path:
        """Return the folder of `catalog`, `train` or `test`."""
        return self.folder / name

    def first(self, name: str, category: str) -> Path:
        """Return the first picture of a category."""
        return min((self.part(name) / category).iterdir())


@dataclass(frozen=True, slots=True)
class Tour:
    """What the demo did, and the commands that do the same."""

    images: DrawnImages
    commands: Mapping[str, str]
    index: IndexReport
    search: SearchReport
    train: TrainReport
    examples: Sequence[Classification]
    evaluation: Evaluation
    joint: Evaluation
    tests: Sequence[Classification]


def draw_images(
    folder: Path, seed: int, reporter: Reporter, parts: Sequence[Part] = PARTS
) -> DrawnImages:
    """Draw the data sets below `folder`; those that are there already are left as they are.

    A hidden file in each says what seed it was drawn with, or begun to be.

    Raises
    ------
    EngineError
        The folder cannot be written, or holds images that were not drawn here.
    """
    total = len(CATEGORIES) * sum(part.per_category for part in parts)
    before = 0
    for part in parts:

        def drawn(count: int, before: int = before) -> None:
            reporter.progress("drawing", before + count, total, "images")

        try:
            _draw_part(part, folder / part.name, seed, drawn)
        except OSError as error:
            raise EngineError(
                folder / part.name,
                f"the pictures cannot be drawn here ({error.strerror})",
                "Name another place with --folder",
            ) from None
        before += part.per_category * len(CATEGORIES)
    reporter.progress("drawing", total, total, "images")
    count = sum(1 for part in parts for _ in (folder / part.name).glob("*/*.jpg"))
    return DrawnImages(folder, count)


def _draw_part(part: Part, folder: Path, seed: int, progress: Callable[[int], None]) -> None:
    done, begun = folder / f".seed-{seed}", folder / f".seed-{seed}.begun"
    if done.exists():
        return
    ours = list(folder.glob(".seed-*"))
    if not ours and folder.exists() and any(folder.iterdir()):
        raise EngineError(
            folder,
            "the demo draws into this folder, and it holds files that the demo did not draw",
            "Name another place with --folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    begun.touch()
    # Images of another seed have the same names: from here on that set is no more.
    for mark in ours:
        if mark != begun:
            mark.unlink()
    draw_catalog(
        folder, per_category=part.per_category, seed=10 * seed + part.seed, progress=progress
    )
    begun.rename(done)


def take_tour(engine: Engine, images: DrawnImages) -> Tour:
    """Index, search, train, classify and evaluate the drawn pictures."""
    query = images.first("test", "chair")
    shown = [images.first("test", category) for category in CATEGORIES]
    index = engine.index([images.part("catalog")], label="parent")
    search = engine.search(query, k=5)
    train = engine.train(images.part("train"), head=HEAD)
    tests = sorted(images.part("test").glob("*/*.jpg"))
    return Tour(
        images=images,
        commands=_commands(query, shown, images.folder),
        index=index,
        search=search,
        train=train,
        examples=engine.classify([str(path) for path in shown], k=3),
        evaluation=engine.evaluate(images.part("test"), head=HEAD),
        joint=engine.evaluate(images.part("test"), head="all"),
        tests=engine.classify([str(path) for path in tests], k=3),
    )


def _commands(query: Path, shown: Sequence[Path], folder: Path) -> dict[str, str]:
    def inside(path: Path) -> str:
        return os.path.relpath(path, folder)

    return {
        "index": f"engine index catalog --label parent --backbone {BACKBONE}",
        "search": f"engine search {inside(query)} -k 5 --html found.html",
        "train": f"engine train train --head {HEAD}",
        "classify": "engine classify " + " ".join(map(inside, shown)),
        "evaluate": f"engine evaluate test --head {HEAD}",
    }
