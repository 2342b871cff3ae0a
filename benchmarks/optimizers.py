"""Linear heads by AdamW and by L-BFGS, on embeddings of photographs: the table in docs/heads.md.

python -m benchmarks.optimizers [--data DIR]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.settings import find_data
from engine import Engine
from engine.embedding.choose import choose_embedder
from engine.heads.fitting.fit import fit_layers, threads_for
from engine.heads.fitting.rows import Rows, embedding_scale
from engine.heads.options import TrainOptions
from engine.ingest.labels.labels import label_rule
from engine.learning.data.collect import collect
from engine.learning.data.split import draw_split
from engine.pictures.augment import ORIGINAL, view_names
from engine.progress import SILENT
from index.records import Floats, Ids

BACKBONE = "efficientnet_lite0"
WAYS = {
    "AdamW": TrainOptions(),
    "L-BFGS, weight decay 1": TrainOptions(optimizer="lbfgs", weight_decay=1.0),
}
VIEWS = view_names(4)
FURNITURE = ("bed", "chair", "sofa", "swivelchair", "table")


@dataclass(frozen=True, slots=True)
class Task:
    """What is learned from how many pictures of each category, and asked of how many others."""

    name: str
    categories: tuple[str, ...]
    train: int
    test: int
    views: int
    draws: int = 10


def main(arguments: Sequence[str]) -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None)
    data = find_data(parser.parse_args(arguments).data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    caltech = tuple(sorted(each.name for each in (data / "catalog").iterdir() if each.is_dir()))
    tasks = {
        "furniture": (
            Task("bed, sofa", ("bed", "sofa"), 100, 60, 6, draws=25),
            Task("five kinds of furniture", FURNITURE, 100, 50, 6),
            Task("five kinds of furniture", FURNITURE, 10, 100, 2),
        ),
        "catalog": (
            Task("30 Caltech categories", caltech, 10, 10, 6),
            Task("30 Caltech categories", caltech, 3, 17, 2),
        ),
    }
    print(f"| pictures of each | views | {' | '.join(WAYS)} |")
    print("|---|---|" + "---|" * len(WAYS))
    for folder, several in tasks.items():
        names, labels, embeddings = embedded(data / folder)
        for task in several:
            cells = [cell(task, options, names, labels, embeddings) for options in WAYS.values()]
            print(f"| {task.name}: {task.train} | {task.views} | {' | '.join(cells)} |", flush=True)
    return 0


def embedded(folder: Path) -> tuple[tuple[str, ...], Ids, Mapping[str, Floats]]:
    """Return categories, labels and the unit embeddings of all views, any part of it together."""
    with Engine.open(folder / "none", backbone=BACKBONE) as engine:
        embedder = choose_embedder(engine.config, None, SILENT)
        embedder.start()
        found = collect(str(folder), embedder, views=VIEWS, labels=label_rule("parent"))
    views = enumerate(found.views)
    embeddings = {view: found.vectors.unit[found.view == number] for number, view in views}
    return found.categories, found.labels, embeddings


def cell(
    task: Task,
    options: TrainOptions,
    names: Sequence[str],
    labels: Ids,
    embeddings: Mapping[str, Floats],
) -> str:
    """Return mean accuracy and seconds of a training."""
    numbers = [names.index(category) for category in task.categories]
    right, seconds = [], []
    for seed in range(task.draws):
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(np.flatnonzero(labels == number)) for number in numbers]
        train = np.concatenate([order[: task.train] for order in orders])
        test = np.concatenate([order[task.train : task.train + task.test] for order in orders])
        own = np.searchsorted(np.sort(numbers), labels)
        views = [embeddings[view] for view in VIEWS[: task.views]]
        started = time.monotonic()
        right.append(accuracy(views, own, train, test, replace(options, seed=seed)))
        seconds.append(time.monotonic() - started)
    return f"{100 * np.mean(right):.1f} % ({np.mean(seconds):.2f} s)"


def accuracy(
    views: Sequence[Floats], labels: Ids, train: Ids, test: Ids, options: TrainOptions
) -> float:
    """Return how often a head is right that was trained as `engine train` does."""
    values = np.concatenate([view[train] for view in views])
    scale = embedding_scale(values.shape[1])
    rows = Rows(values, np.tile(labels[train], len(views)), scale=scale)
    image = np.tile(np.arange(len(train)), len(views))
    split = draw_split(
        labels[train],
        np.arange(len(train)),
        validation=options.validation,
        test=0.0,
        seed=options.seed,
    )
    outputs = len(np.unique(labels[train]))
    with threads_for(*values.shape):
        trial = fit_layers(
            replace(rows, chosen=np.flatnonzero(np.isin(image, split.train))),
            outputs,
            options,
            validation=replace(rows, chosen=split.validation),
        )
        (layer,) = fit_layers(rows, outputs, options, epochs=trial.epochs).layers
    tested = views[VIEWS.index(ORIGINAL)][test] * np.float32(scale)
    return float((layer(tested).argmax(axis=1) == labels[test]).mean())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
