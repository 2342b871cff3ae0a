"""Suspects and sets: what docs/heads.md says of wrong labels and of promised coverages.

    python -m benchmarks.suspects [--data DIR] [--backbone NAME] [--draws N]

Of the labels of a data set a share is exchanged for others at random, and those that are doubted
most are looked up among them. Precision is of as many as were exchanged; labels that were wrong
before, and photographs that anybody would doubt, count against it.

A head then learns half of all photographs of furniture, and the sets that it answers with are
counted on the other half, which took no part in anything; beside it the halves that the data set
comes in.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from benchmarks.settings import find_data
from engine import Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.heads.classifier import BuiltIn, Classifier, Mask
from engine.heads.conformal import promise, with_sets
from engine.heads.head import Head
from engine.heads.options import LBFGS, TrainOptions
from engine.learning.data.collect import ANY, collect
from engine.learning.data.examples import Examples
from engine.learning.data.split import draw_split
from engine.learning.suspects import DEFAULT, SuspectOptions, label_margins
from engine.learning.train_head import HeadTraining
from engine.learning.trial import new_head
from engine.pictures.augment import MIRROR, ORIGINAL
from engine.progress import SILENT
from index.records import CatalogIdentity, Floats, Vectors

BACKBONE = "efficientnet_lite0"
SHARES = (0.05, 0.10)
COVERAGES = (0.95, 0.98)
# What Caltech-101 has of furniture.
FURNITURE = ("chair",)
# What labels are ranked by: the way chosen, and what it is made of.
WAYS = {
    "penalised, five repeats (chosen)": SuspectOptions(),
    "penalised, one repeat": SuspectOptions(repeats=1),
    "as a head is trained, five repeats": SuspectOptions(training=DEFAULT),
    "as a head is trained, one repeat": SuspectOptions(training=DEFAULT, repeats=1),
    "L-BFGS, weight decay 1, five repeats": SuspectOptions(
        training=TrainOptions(optimizer=LBFGS, weight_decay=1.0)
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--backbone", default=BACKBONE)
    parser.add_argument("--draws", type=int, default=10)
    asked = parser.parse_args(arguments)
    data = find_data(asked.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        config = Config.at(Path(folder) / "store", backbone=asked.backbone)
        embedder = choose_embedder(config, None, SILENT)
        train = _photographs(embedder, data / "furniture" / "train")
        test = _photographs(embedder, data / "furniture" / "test")
        catalog = _photographs(embedder, data / "catalog")
        built_in, identity = embedder.built_in, embedder.identity
    print(f"{asked.backbone}, embedded in {embedder.precision}, {asked.draws} draws\n")
    sets = {"furniture": train, "Caltech-101": catalog}
    for name, examples in sets.items():
        _print_suspects(name, examples.take(np.arange(len(examples)), 1), asked.draws)
    _print_sets(train, test, built_in, identity, asked.draws)
    _print_foreign(train, catalog, built_in, identity)
    return 0


def _photographs(embedder: Embedder, folder: Path) -> Examples:
    return collect(str(folder), embedder, views=(ORIGINAL, MIRROR), requirements=ANY)


def flipped(examples: Examples, share: float, seed: int) -> tuple[Examples, Mask]:
    """Return examples a share of whose labels are others, drawn at random, and which these are."""
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(examples), np.bool_)
    wrong[rng.choice(len(examples), round(share * len(examples)), replace=False)] = True
    moved = examples.labels + rng.integers(1, len(examples.categories), len(examples))
    labels = np.where(wrong, moved % len(examples.categories), examples.labels)
    return replace(examples, labels=labels), wrong


def auroc(scores: Floats, positive: Mask) -> float:
    """Return how likely one of the positive scores is above one of the others."""
    count = int(positive.sum())
    ranks = rankdata(scores)[positive].sum() - count * (count + 1) / 2
    return float(ranks / (count * (len(scores) - count)))


def precision(scores: Floats, positive: Mask) -> float:
    """Return how many of the highest scores are positive, of as many as are positive."""
    first = np.argsort(-scores, kind="stable")[: int(positive.sum())]
    return float(positive[first].mean())


def _print_suspects(name: str, examples: Examples, draws: int) -> None:
    print(
        f"| {name}, {len(examples)} pictures | flipped | AUROC | precision, least | doubted |",
        end="",
    )
    print(" of the flipped |\n|---|---|---|---|---|---|")
    for way, options in WAYS.items():
        for share in SHARES:
            rows = []
            for seed in range(draws):
                some, wrong = flipped(examples, share, seed)
                margin = label_margins(some, options).margin
                doubted = margin > 0
                found = doubted[wrong].mean()
                rows.append((auroc(margin, wrong), precision(margin, wrong), doubted.sum(), found))
            area, hit, doubts, recall = np.mean(rows, axis=0)
            least = min(row[1] for row in rows)
            print(
                f"| {way} | {share:.0%} | {area:.3f} | {hit:.3f}, {least:.2f} | {doubts:.0f} | "
                f"{recall:.1%} |",
                flush=True,
            )
    print()


def _print_sets(
    train: Examples, test: Examples, built_in: BuiltIn, identity: CatalogIdentity, draws: int
) -> None:
    print("| sets | coverage asked | found, least | categories a picture | empty | calibrated by |")
    print("|---|---|---|---|---|---|")
    ways = {
        "the other half, drawn at random": list(_halves(train, test, draws)),
        "furniture/test": [(train, test, seed) for seed in range(draws)],
    }
    for way, parts in ways.items():
        rows: dict[float, list[tuple[float, float, float, int]]] = {}
        for learned, asked, seed in parts:
            head = _trained(learned, built_in, identity, seed)
            for coverage in COVERAGES:
                rows.setdefault(coverage, []).append(_sets(head, asked, built_in, coverage))
        for coverage, found in rows.items():
            right, size, empty, images = np.mean(found, axis=0)
            print(
                f"| {way} | {coverage:.2f} | {right:.3f}, {min(row[0] for row in found):.3f} | "
                f"{size:.2f} | {empty:.1%} | {images:.0f} |",
                flush=True,
            )


def _print_foreign(
    train: Examples, catalog: Examples, built_in: BuiltIn, identity: CatalogIdentity
) -> None:
    """Print how many pictures of no furniture have an empty set, and how many are unknown."""
    head = _trained(train, built_in, identity, 0)
    shown = np.array([name not in FURNITURE for name in catalog.categories])
    foreign = catalog.take(np.flatnonzero(shown[catalog.labels]), 1)
    answer = Classifier(built_in, [head]).own(head, foreign.vectors)
    print(f"\n{len(foreign)} pictures of no furniture: unknown {answer.unknown.mean():.0%}", end="")
    for coverage in COVERAGES:
        _, _, empty, _ = _sets(head, foreign, built_in, coverage)
        print(f", with an empty set at {coverage} {empty:.0%}", end="")
    print()


def _halves(
    train: Examples, test: Examples, draws: int
) -> Iterator[tuple[Examples, Examples, int]]:
    """Yield all photographs in two halves at random; copies are in the same one."""
    count = len(train)
    everything = replace(
        train,
        hashes=train.hashes + test.hashes,
        paths=train.paths + test.paths,
        labels=np.concatenate([train.labels, test.labels]),
        vectors=Vectors.concatenate([train.vectors, test.vectors]),
        image=np.concatenate([train.image, count + test.image]),
        view=np.concatenate([train.view, test.view]),
    )
    for seed in range(draws):
        groups = everything.groups
        split = draw_split(everything.labels, groups, validation=0, test=0.5, seed=seed)
        yield everything.take(split.train), everything.take(split.test), seed


def _trained(examples: Examples, built_in: BuiltIn, identity: CatalogIdentity, seed: int) -> Head:
    none = Vectors.empty(examples.vectors.unit.shape[1])
    training = HeadTraining(examples, none, built_in, TrainOptions(seed=seed))
    return training.run(new_head("furniture", identity, examples)).head


def _sets(
    head: Head, asked: Examples, built_in: BuiltIn, coverage: float
) -> tuple[float, float, float, int]:
    """Return how many sets hold the right category, their size, how many are empty, and `n`."""
    promised = promise(head, coverage)
    answer = Classifier(built_in, [head]).own(head, asked.vectors[asked.originals])
    sets = [each.set or () for each in with_sets(answer.ranked(asked.paths, 1), answer, promised)]
    labels = [asked.categories[label] for label in asked.labels.tolist()]
    right = np.mean([label in each for label, each in zip(labels, sets, strict=True)])
    sizes = np.array([len(each) for each in sets])
    return float(right), float(sizes.mean()), float((sizes == 0).mean()), promised.images


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
