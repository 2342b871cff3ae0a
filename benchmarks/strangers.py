"""Strangers: how many are `unknown`, or close to nothing; the tables in docs/heads.md.

    python -m benchmarks.strangers [--data DIR] [--backbone NAME]

A head learns five kinds of furniture. Then it is asked about strangers, pictures that neither show
any furniture nor anything of ImageNet's: patterns drawn here, and photographs of categories that
ImageNet does not have. Beside it all categories are asked together, by the rule of earlier
releases and by today's. Thresholds were chosen on half of the ImageNet photographs, on other
patterns and on photographs of other categories; what that gives is printed, too, for the table of
backbones. Nothing in the figures' rows took part in it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.settings import find_data
from engine import Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.heads.classifier import CONVINCING, BuiltIn, Classifier, Mask
from engine.heads.head import Head
from engine.heads.in_distribution import (
    CategoryLengths,
    InDistribution,
    cosine_to_category,
    directions,
)
from engine.heads.numerics import log_sum_exp, softmax
from engine.heads.options import TrainOptions
from engine.learning.data.collect import collect
from engine.learning.train_head import HeadTraining
from engine.learning.trial import new_head
from engine.pictures.augment import MIRROR, ORIGINAL
from engine.progress import SILENT
from engine.search.queries import embed_sources
from index.records import Floats, Vectors
from tests.support.strangers import (
    TESTED_PHOTOGRAPHS,
    TUNED_PHOTOGRAPHS,
    write_others,
    write_strangers,
)

BACKBONE = "efficientnet_lite0"
# Shares of the tuning photographs of ImageNet that thresholds are printed for.
SHARES = (0.02, 0.03, 0.04, 0.05)
# The share of them that rules are compared at.
RULES_SHARE = 0.03
# Categories of Caltech-101 that ImageNet has as well, under this name or another.
SHARED = (
    *("accordion", "ant", "beaver", "cougar_face", "crocodile", "dalmatian"),
    *("dragonfly", "grand_piano", "llama", "panda", "platypus", "schooner"),
)
# Images of each category that a small catalog holds.
FEW = 4


@dataclass(frozen=True, slots=True)
class Pictures:
    """Embeddings of one set, and where each picture lies."""

    files: Sequence[Path]
    vectors: Vectors

    @property
    def labels(self) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
        """The folder of each picture."""
        return np.array([file.parent.name for file in self.files])

    def where(self, mask: Mask) -> Pictures:
        """Return some of them."""
        return Pictures(
            [file for file, one in zip(self.files, mask, strict=True) if one], self.vectors[mask]
        )

    def of(self, labels: Sequence[str]) -> Pictures:
        """Return those in folders of these names."""
        return self.where(np.isin(self.labels, labels))


def main(arguments: Sequence[str]) -> int:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--backbone", default=BACKBONE)
    asked = parser.parse_args(arguments)
    data = find_data(asked.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        config = Config.at(Path(folder) / "store", backbone=asked.backbone)
        embedder = choose_embedder(config, None, SILENT)
        sets = _sets(embedder, data, Path(folder))
        head = _furniture(embedder, data)
        built_in, close = embedder.built_in, embedder.backbone.close
    print(f"{asked.backbone}, embedded in {embedder.precision}\n")
    _print_unknown(built_in, head, sets)
    _print_close(sets, close)
    _print_rules(built_in, sets)
    _print_thresholds(built_in, sets)
    return 0


def _sets(embedder: Embedder, data: Path, folder: Path) -> dict[str, Pictures]:
    """Return the embeddings of all that is asked about, by the name of its set."""
    catalog = data / "catalog"
    files = {
        "tested": write_strangers(folder / "strangers", catalog),
        "tuned": write_others(folder / "others", catalog),
        "caltech": sorted(catalog.rglob("*.jpg")),
        "imagenet": sorted((data / "imagenet300").glob("*.jpg")),
        "furniture": sorted((data / "furniture" / "test").rglob("*.jpg")),
        "learned": sorted((data / "furniture" / "train").rglob("*.jpg")),
    }
    sets = {name: Pictures(of, embed_sources(embedder, of, None)[1]) for name, of in files.items()}
    for name, drawn in (("tested", "strangers"), ("tuned", "others")):
        mask = sets[name].labels == drawn
        sets[f"{name} drawn"] = sets[name].where(mask)
        sets[f"{name} photographs"] = sets[name].where(~mask)
    even = np.arange(len(sets["imagenet"].files)) % 2 == 0
    sets["imagenet tuned"] = sets["imagenet"].where(even)
    sets["imagenet tested"] = sets["imagenet"].where(~even)
    return sets


def _furniture(embedder: Embedder, data: Path) -> Head:
    examples = collect(str(data / "furniture/train"), embedder, views=(ORIGINAL, MIRROR))
    new = new_head("furniture", embedder.identity, examples)
    none = Vectors.empty(embedder.backbone.dim)
    return HeadTraining(examples, none, embedder.built_in, TrainOptions()).run(new).head


def _print_unknown(built_in: BuiltIn, head: Head, sets: Mapping[str, Pictures]) -> None:
    classifier = Classifier(built_in, [head])
    rows = {
        "strangers": sets["tested"],
        "of these drawn": sets["tested drawn"],
        "of these photographs": sets["tested photographs"],
        "all photographs of these categories": sets["caltech"].of(TESTED_PHOTOGRAPHS),
        "furniture": sets["furniture"],
        "ImageNet": sets["imagenet tested"],
        "Caltech-101 categories that ImageNet has": sets["caltech"].of(SHARED),
        "thresholds: drawn": sets["tuned drawn"],
        "thresholds: photographs": sets["caltech"].of(TUNED_PHOTOGRAPHS),
        "thresholds: ImageNet": sets["imagenet tuned"],
    }
    print("| unknown | `--head furniture` | all compete, before | all compete, now |")
    print("|---|---|---|---|")
    for title, pictures in rows.items():
        joint = classifier.joint(pictures.vectors)
        counts = [
            int(classifier.own(head, pictures.vectors).unknown.sum()),
            int((joint.probability.max(axis=1) < CONVINCING).sum()),
            int(joint.unknown.sum()),
        ]
        print(f"| {title} | {' | '.join(f'{n} of {len(joint.unknown)}' for n in counts)} |")
    _print_right(classifier, sets["imagenet"])


def _print_right(classifier: Classifier, imagenet: Pictures) -> None:
    """Print how many right and wrong answers on ImageNet photographs are unknown."""
    truth = np.array([int(file.name[:4]) for file in imagenet.files])
    joint = classifier.joint(imagenet.vectors)
    right = joint.probability.argmax(axis=1) == truth
    for title, mask in (("right", right), ("wrong", ~right)):
        print(f"{title} on ImageNet: {mask.sum()}, of these unknown: {joint.unknown[mask].sum()}")
    print()


def _best(queries: Pictures, catalog: Pictures) -> Floats:
    """Return the score of each query's nearest image; its own file is left out."""
    scores = queries.vectors.unit @ catalog.vectors.unit.T
    itself = np.equal.outer(
        [str(file) for file in queries.files], [str(file) for file in catalog.files]
    )
    scores[itself] = -1
    best: Floats = scores.max(axis=1)
    return best


def _print_close(sets: Mapping[str, Pictures], close: float | None) -> None:
    caltech, furniture = sets["caltech"], sets["learned"]
    few = np.arange(len(caltech.files)) % (len(caltech.files) // len(set(caltech.labels))) < FEW
    questions = {
        "furniture, in 500 pictures of furniture": _best(sets["furniture"], furniture),
        "each of these 500, in the others": _best(furniture, furniture),
        "thresholds: Caltech-101, in 600 of 30 categories": _best(caltech, caltech),
        f"thresholds: Caltech-101, in {FEW} of each category": _best(
            caltech.where(~few), caltech.where(few)
        ),
        "drawn strangers, in furniture": _best(sets["tested drawn"], furniture),
        "drawn strangers, in Caltech-101": _best(sets["tested drawn"], caltech),
        "ImageNet, in furniture": _best(sets["imagenet"], furniture),
        "Caltech-101 but chairs, in furniture": _best(
            caltech.where(caltech.labels != "chair"), furniture
        ),
    }
    print(f"| queries | close to nothing (score below {close}) | 1 % and 2 % of scores below |")
    print("|---|---|---|")
    for title, best in questions.items():
        count = "not measured" if close is None else f"{(best < close).sum()} of {len(best)}"
        one, two = np.quantile(best, [0.01, 0.02])
        print(f"| {title} | {count} | {one:.3f}, {two:.3f} |")
    print()


def _print_rules(built_in: BuiltIn, sets: Mapping[str, Pictures]) -> None:
    """Print what other rules tell of the built-in categories, each by a threshold of its own."""
    asked = {
        "drawn": sets["tested drawn"].vectors,
        "photographs": sets["caltech"].of(TESTED_PHOTOGRAPHS).vectors,
        "ImageNet": sets["imagenet tested"].vectors,
    }
    known = _rules(built_in, sets["imagenet tuned"].vectors)
    found = {name: _rules(built_in, vectors) for name, vectors in asked.items()}
    print(f"| unknown by a threshold for {RULES_SHARE:.0%} | {' | '.join(asked)} |")
    print("|---|---|---|---|")
    for rule, values in known.items():
        least = np.quantile(values, RULES_SHARE)
        counts = [f"{(each[rule] < least).sum()} of {len(each[rule])}" for each in found.values()]
        print(f"| {rule} | {' | '.join(counts)} |")
    print()


def _rules(built_in: BuiltIn, vectors: Vectors) -> dict[str, Floats]:
    """Return what may tell strangers, all float32 `[n]` and lower for them."""
    logits = built_in.logits(vectors)
    best = logits.max(axis=1)
    return {
        "probability": softmax(logits).max(axis=1),
        "largest logit": best,
        "energy": log_sum_exp(logits),
        "largest logit, standardized": (best - logits.mean(axis=1)) / logits.std(axis=1),
        "length of the embedding": vectors.norm,
        "cosine to the category": _scores(built_in, vectors, 0.0),
        "evenness": vectors.times(directions(built_in.layer.weight).T)[:, 1],
        "both": _scores(built_in, vectors, InDistribution(0).evenness),
    }


def _print_thresholds(built_in: BuiltIn, sets: Mapping[str, Pictures]) -> None:
    """Print what thresholds the tuning pictures ask for."""
    print("| share of tuning photographs below | threshold | drawn below | photographs below |")
    print("|---|---|---|---|")
    evenness = InDistribution(0).evenness
    known = _scores(built_in, sets["imagenet tuned"].vectors, evenness)
    drawn = _scores(built_in, sets["tuned drawn"].vectors, evenness)
    foreign = sets["caltech"].of(TUNED_PHOTOGRAPHS).vectors
    photographs = _scores(built_in, foreign, evenness)
    for share in SHARES:
        least = float(np.quantile(known, share))
        below = f"{(drawn < least).mean():.0%} | {(photographs < least).mean():.0%}"
        print(f"| {share:.0%} | {least:.3f} | {below} |")


def _scores(built_in: BuiltIn, vectors: Vectors, evenness: float) -> Floats:
    """Return in-distribution scores, float32 `[n]`."""
    weight, bias = built_in.layer.weight, built_in.layer.bias
    logits, along = built_in.logits(vectors), vectors.times(directions(weight).T)
    choice, best = logits.argmax(axis=1), logits.max(axis=1)
    length = CategoryLengths(weight, weight.mean(axis=0)).of(choice)
    cosine = cosine_to_category(length, bias[choice], best, along[:, 0], vectors.norm)
    return cosine + np.float32(evenness) * along[:, 1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
