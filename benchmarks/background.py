"""What a head's background is worth: the table in docs/heads.md.

    python benchmarks/background.py PICTURES

PICTURES holds `furniture/train` and `furniture/test` (a folder per category, with bed and sofa
among them), `catalog` (pictures of other things) and `imagenet300` (ImageNet pictures whose names
begin with the number of their category).
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine import Config
from engine.embedding.choose import choose_embedder
from engine.heads.classifier import Classifier
from engine.heads.fitting.background import Prototypes, suspects
from engine.heads.fitting.gate import gate_of
from engine.heads.options import TrainOptions
from engine.ingest.labels.labels import ParentLabels
from engine.learning.data.collect import ANY, collect
from engine.learning.train_head import HeadTraining
from engine.learning.trial import GateOptions, gate_rows, new_head
from engine.pictures.augment import MIRROR, ORIGINAL
from engine.progress import SILENT
from index.records import Vectors


def main(images: Path) -> None:
    """Print the table as Markdown."""
    config = Config.at(tempfile.mkdtemp(), backbone="efficientnet_lite0")
    embedder = choose_embedder(config, None, SILENT)
    built_in = embedder.built_in
    examples = collect(str(images / "furniture/train"), embedder, views=(ORIGINAL, MIRROR))
    test = collect(str(images / "furniture/test"), embedder)
    other = collect(str(images / "catalog"), embedder, requirements=ANY)
    imagenet = collect(
        str(images / "imagenet300"), embedder, labels=ParentLabels(), requirements=ANY
    )
    truth = np.array([int(Path(path).name[:4]) for path in imagenet.paths])

    texts = np.array(other.categories)[other.labels]
    others = other.vectors[~np.isin(texts, examples.categories)]
    both = Vectors.concatenate([others, test.vectors])
    none = others[:0]

    rows = gate_rows(examples, np.arange(len(examples)), GateOptions(), 0)
    positives = examples.vectors[rows]
    made_up = Prototypes(built_in).draw(positives, 0)
    learned, outputs = examples.row_labels[rows], len(examples.categories)
    first = gate_of(positives, learned, outputs, made_up, built_in)
    around_mean = Prototypes(built_in, lambda mean: mean).draw(positives, 0)

    def left(catalog: Vectors) -> Vectors:
        return catalog[~suspects(catalog, positives, first, built_in)]

    variants = [
        ("prototypes alone (the catalog is empty)", made_up, none),
        ("and a catalog of other pictures", made_up, left(others)),
        ("and a catalog that holds the test pictures, unlabelled", made_up, left(both)),
        ("the same without leaving suspects out", made_up, both),
        ("prototypes around the plain mean of the training pictures", around_mean, none),
    ]
    before = int((built_in.logits(imagenet.vectors).argmax(axis=1) == truth).sum())
    print(f"ImageNet right without a head: {before} of {len(truth)}\n")
    print("| background | ImageNet right | bed and sofa right in the joint distribution |")
    print("|---|---|---|")
    new = new_head("furniture", embedder.identity, examples)
    head = HeadTraining(examples, none, built_in, TrainOptions()).run(new).head
    labels = np.array(test.categories)[test.labels]
    wanted = np.isin(labels, ["bed", "sofa"])
    for title, prototypes, catalog in variants:
        background = Vectors.concatenate([prototypes, catalog])
        gate = gate_of(positives, learned, outputs, background, built_in, first)
        classifier = Classifier(built_in, [replace(head, gate=gate)])
        unharmed = int((classifier.best(imagenet.vectors).choice == truth).sum())
        answers = np.array([classifier.names[at][1] for at in classifier.best(test.vectors).choice])
        right = (answers == labels)[wanted].mean()
        print(f"| {title} | {unharmed} | {right:.1%} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
