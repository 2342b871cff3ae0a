"""What a head's background is worth: the table in docs/heads.md.

    python benchmarks/background.py PICTURES

PICTURES holds `furniture/train` and `furniture/test` (a folder per category, with bed and sofa
among them), `catalog` (pictures of other things) and `imagenet300` (ImageNet pictures whose names
begin with the number of their category).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np

from engine import Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.heads import background
from engine.heads.classifier import Classifier
from engine.heads.options import TrainOptions
from engine.ingest.labels import ParentLabels
from engine.learning.dataset import ORIGINAL, Collector, find_labelled, label_numbers
from engine.learning.train_head import Examples, Origin, train_head
from engine.progress import SILENT
from index.records import Vectors

Patch = Callable[[], AbstractContextManager[object]]


def embedded(
    embedder: Embedder, folder: Path, views: Sequence[str] = (ORIGINAL,)
) -> tuple[list[str], list[str], list[Vectors]]:
    """Return the labels, file names and embeddings of a folder's pictures, by view."""
    files, _ = find_labelled(str(folder), ParentLabels())
    collector = Collector(None, embedder, keep=False)
    found = collector.collect(str(folder), files, views=views)
    names = [Path(each.file.path).name for each in found.files]
    return [each.label for each in found.files], names, [found.vectors(view) for view in views]


def main(images: Path) -> None:
    """Print the table as Markdown."""
    config = Config.at(tempfile.mkdtemp(), backbone="efficientnet_lite0")
    embedder = choose_embedder(config, None, SILENT)
    built_in = embedder.built_in
    labels, _, views = embedded(embedder, images / "furniture/train", ("original", "mirror"))
    test_labels, _, (test,) = embedded(embedder, images / "furniture/test")
    other_labels, _, (other,) = embedded(embedder, images / "catalog")
    _, names, (imagenet,) = embedded(embedder, images / "imagenet300")
    truth = np.array([int(name[:4]) for name in names])

    categories, numbers = label_numbers(labels)
    count = len(labels)
    examples = Examples(
        categories,
        Vectors.concatenate(views),
        np.tile(numbers, 2),
        np.tile(np.arange(count), 2),
        np.repeat([True, False], count),
    )
    others = other[np.array([label not in categories for label in other_labels])]
    both = Vectors.concatenate([others, test])

    def no_suspects(candidates: Vectors, *_: object) -> object:
        return np.zeros(len(candidates), np.bool_)

    variants: list[tuple[str, Vectors, Patch]] = [
        ("prototypes alone (the catalog is empty)", others[:0], nullcontext),
        ("and a catalog of other pictures", others, nullcontext),
        ("and a catalog that holds the test pictures, unlabelled", both, nullcontext),
        (
            "the same without leaving suspects out",
            both,
            lambda: patch("engine.learning.train_head.suspects", no_suspects),
        ),
        (
            "prototypes around the plain mean of the training pictures",
            others[:0],
            lambda: patch.object(
                background, "neutral_middle", lambda positives, _: positives.raw.mean(axis=0)
            ),
        ),
    ]
    before = int((built_in.logits(imagenet).argmax(axis=1) == truth).sum())
    print(f"ImageNet right without a head: {before} of {len(truth)}\n")
    print("| background | ImageNet right | bed and sofa right in the joint distribution |")
    print("|---|---|---|")
    wanted = np.isin(test_labels, ["bed", "sofa"])
    origin = Origin("furniture", embedder.backbone.name, embedder.fingerprint)
    for title, catalog, patched in variants:
        with patched():
            head = train_head(origin, examples, catalog, built_in, TrainOptions()).head
        classifier = Classifier(built_in, [head])
        kept = int((classifier.best(imagenet).choice == truth).sum())
        answers = np.array([classifier.names[i][1] for i in classifier.best(test).choice])
        right = (answers == np.array(test_labels))[wanted].mean()
        print(f"| {title} | {kept} | {right:.1%} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
