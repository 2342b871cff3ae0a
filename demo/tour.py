"""The demo, step by step: what a newcomer would do with the drawn pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.catalog import CATEGORIES, draw_catalog
from engine.engine import Engine
from engine.errors import EngineError
from engine.learning.results import TrainReport
from engine.progress import Reporter
from engine.results import Classification, Evaluation, IndexReport, SearchReport

BACKBONE = "efficientnet_lite0"
HEAD = "furniture"
# Pictures per category, and the offset that keeps the three sets apart.
PARTS: Mapping[str, tuple[int, int]] = {"catalog": (24, 0), "train": (20, 1), "test": (8, 2)}


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


def draw_images(folder: Path, seed: int, reporter: Reporter) -> DrawnImages:
    """Draw the three data sets below `folder`; those that are there already are left.

    Raises
    ------
    EngineError
        The folder cannot be written.
    """
    total = sum(each * len(CATEGORIES) for each, _ in PARTS.values())
    done = 0
    for name, (each, offset) in PARTS.items():
        part = folder / name
        mark = part / f".seed-{seed}"
        before = done
        try:
            if not mark.exists():
                # Pictures of another seed have the same names: from here on that set is no more.
                for other in part.glob(".seed-*"):
                    other.unlink()
                draw_catalog(
                    part,
                    per_category=each,
                    seed=10 * seed + offset,
                    progress=lambda drawn, before=before: reporter.progress(  # type: ignore[misc]
                        "drawing", before + drawn, total, "images"
                    ),
                )
                mark.touch()
        except OSError as error:
            raise EngineError(
                part,
                f"the pictures cannot be drawn here ({error.strerror})",
                "Name another place with --folder",
            ) from None
        done += each * len(CATEGORIES)
    reporter.progress("drawing", total, total, "images")
    return DrawnImages(folder, total)


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
