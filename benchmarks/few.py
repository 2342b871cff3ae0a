"""Few pictures of each category: what the catalog's pictures without a label add to a head.

    python -m benchmarks.few [--data DIR] [--draws N] [--only WORDS]

Every photograph is embedded once. Each draw is a store with some of them in it, and a training of
`Engine.train` on a few others, or on a few of these; the head is asked about all that it could not
learn a label of. What was chosen was chosen on furniture and on every second category of Caltech,
with draws from 100 on; those reported begin with 0.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.settings import find_data
from engine import Engine, TrainOptions
from engine.heads.head import find_head
from index.records import Vectors

BACKBONE = "efficientnet_lite0"
METHODS = {
    "`--fast`": TrainOptions(fast=True),
    "`--no-unlabelled`": TrainOptions(unlabelled=False),
    "default": TrainOptions(),
}
INSIDE, OUTSIDE = "in the catalog", "outside"
REST = "rest"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is learned, and what the catalog holds.

    Attributes
    ----------
    name
        For people.
    categories
        What is learned; those joined by `+` are one category, `rest`.
    shots
        Labelled pictures of each.
    where
        `in the catalog`: all pictures are, and the head is asked about the others. `outside`: the
        labelled ones and half of the others are not, and the head is asked about these.
    catalog
        Which categories' pictures are in the catalog, beside the foreign ones; None for those that
        are learned.
    """

    name: str
    categories: tuple[str, ...]
    shots: tuple[int, ...]
    where: str = INSIDE
    catalog: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Photographs:
    """All photographs by category, their embeddings, and a store that has them all."""

    store: Path
    by_category: Mapping[str, Sequence[str]]
    foreign: Sequence[str]
    rows: Mapping[str, int]
    vectors: Vectors


def main(arguments: Sequence[str]) -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--only", default="", help="Settings whose name has these words.")
    parser.add_argument("--methods", default=",".join(METHODS))
    asked = parser.parse_args(arguments)
    data = find_data(asked.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    methods = {name: METHODS[name] for name in asked.methods.split(",")}
    print(f"| pictures of each | where | {' | '.join(methods)} | gain | least |")
    print("|---|---|" + "---:|" * (len(methods) + 2))
    with embedded(data) as photographs:
        for setting in settings(photographs):
            if asked.only in setting.name:
                found = [draw(photographs, setting, seed, methods) for seed in range(asked.draws)]
                table = 100 * np.array(found)
                gains = table[:, -1] - table[:, 0]
                cells = [f"{value:.1f}" for value in table.mean(axis=0)]
                cells += [f"{gains.mean():+.1f}", f"{gains.min():+.1f}"]
                print(f"| {setting.name} | {setting.where} | {' | '.join(cells)} |", flush=True)
    return 0


def settings(photographs: Photographs) -> Iterator[Setting]:
    """Yield what is measured."""
    furniture = tuple(f"furniture/{name}" for name in ("bed", "chair", "sofa", "swivelchair"))
    caltech = tuple(name for name in photographs.by_category if "/" not in name)
    for shots in (1, 2, 3, 5, 8):
        yield Setting(f"30 categories: {shots}", caltech, (shots,) * 30)
    for shots in (1, 3, 5):
        yield Setting(f"30 categories: {shots}", caltech, (shots,) * 30, OUTSIDE)
    for shots in (1, 3, 5):
        yield Setting(f"15 that nothing was chosen on: {shots}", caltech[1::2], (shots,) * 15)
    yield Setting("30 categories: 1 to 6", caltech, tuple(1 + i % 6 for i in range(30)))
    yield Setting("30 categories: 3, foreign pictures alone", caltech, (3,) * 30, OUTSIDE, ())
    one = (caltech[7], "+".join(caltech[:7] + caltech[8:]))
    yield Setting("one category: 3, 9 of all others", one, (3, 9))
    two = (furniture[0], furniture[2])
    yield Setting("bed, sofa: 2", two, (2, 2))
    yield Setting("bed, sofa: 5", two, (5, 5))
    yield Setting("four kinds of furniture: 3", furniture, (3,) * 4)
    yield Setting("bed, sofa: 5, a catalog of 30 others", two, (5, 5), OUTSIDE, caltech)


def draw(
    photographs: Photographs, setting: Setting, seed: int, methods: Mapping[str, TrainOptions]
) -> list[float]:
    """Return the accuracy of each method's head on other pictures."""
    rng = np.random.default_rng(seed)
    labelled: dict[str, list[str]] = {}
    inside, tested = set(photographs.foreign), list[tuple[str, str]]()
    for name, shots in zip(setting.categories, setting.shots, strict=True):
        label = REST if "+" in name else name.replace("/", " ")
        paths = [path for each in name.split("+") for path in photographs.by_category[each]]
        order = [paths[number] for number in rng.permutation(len(paths))]
        labelled[label], others = order[:shots], order[shots:]
        if setting.where == INSIDE:
            inside.update(order)
        else:
            half = len(others) // 2
            inside.update(others[half:] if setting.catalog is None else ())
            others = others[:half]
        tested += [(path, label) for path in others]
    for name in setting.catalog or ():
        inside.update(photographs.by_category[name])
    with tempfile.TemporaryDirectory() as folder:
        store, train = Path(folder) / "store", Path(folder) / "train"
        shutil.copytree(photographs.store, store)
        for label, paths in labelled.items():
            (train / label).mkdir(parents=True)
            for number, path in enumerate(paths):
                shutil.copy2(path, train / label / f"{number}{Path(path).suffix}")
        with Engine.open(store) as engine:
            gone = sorted(set(photographs.rows) - inside)
            if gone:
                engine.remove(gone)
            found = []
            for options in methods.values():
                engine.train(train, head="few", options=options, min_images=1)
                found.append(_accuracy(engine, photographs, tested))
    return found


def _accuracy(engine: Engine, photographs: Photographs, tested: Sequence[tuple[str, str]]) -> float:
    head = find_head(engine._session.heads(), "few")
    rows = np.array([photographs.rows[path] for path, _ in tested])
    best = head.log_probabilities(photographs.vectors[rows]).argmax(axis=1)
    right = [
        head.categories[at] == label for at, (_, label) in zip(best.tolist(), tested, strict=True)
    ]
    return float(np.mean(right))


@contextmanager
def embedded(data: Path) -> Iterator[Photographs]:
    """Embed all photographs, and keep their store for the length of a `with` block."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        with Engine.open(store, backbone=BACKBONE) as engine:
            engine.index([data / "catalog", data / "imagenet300", data / "furniture"])
            catalog = engine._session.catalog()
            ids, vectors = catalog.embeddings.all()
            images = catalog.images.rows(ids.tolist())
            paths = [images[image_id].path for image_id in ids.tolist()]
        by_category: dict[str, list[str]] = {}
        foreign = []
        for path in sorted(paths):
            parts = Path(path).parts
            if "imagenet300" in parts:
                foreign.append(path)
            else:
                name = parts[-2] if "catalog" in parts else f"furniture/{parts[-2]}"
                by_category.setdefault(name, []).append(path)
        rows = {path: row for row, path in enumerate(paths)}
        yield Photographs(store, by_category, foreign, rows, vectors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
