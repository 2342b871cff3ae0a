"""Evaluation of a labelled data set, from pictures to figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.embedding.embedder import Embedder
from engine.heads.classifier import BuiltIn, Classifier, asked_heads, distribution
from engine.heads.head import ALL, Head
from engine.ingest.labels.labels import label_rule
from engine.learning.data.collect import ANY, collect
from engine.learning.data.learned import learned_images
from engine.learning.metrics import (
    NEIGHBOURS,
    accuracy,
    balanced_accuracy,
    category_scores,
    confusion_table,
    majority_baseline,
    neighbours_vote,
    retrieval,
)
from engine.learning.results import Evaluation
from index.catalog.catalog import Catalog
from index.names import same_name
from index.records import Ids, Vectors

# Images asked about at a time: with 1,000 categories 16 MB of probabilities.
BLOCK = 4096


def evaluate(
    catalog: Catalog | None,
    embedder: Embedder,
    heads: Sequence[Head],
    dataset: str,
    head: str | None,
    label: str | None,
) -> Evaluation:
    """Measure classification and search on a data set; see `Engine.evaluate`."""
    rule = label_rule(label) if label else None
    examples = collect(dataset, embedder, catalog, labels=rule, requirements=ANY)
    vectors, names, labels = examples.vectors, examples.categories, examples.labels
    groups = examples.groups
    ranking = retrieval(vectors.unit, labels, groups)
    known = {same_name(name) for _, name in Classifier(embedder.built_in, heads).names}
    unknown = 0
    answering: Sequence[Head] = ()
    if head is None and not known.issuperset(map(same_name, names)):
        classifier = f"nearest neighbours (k={NEIGHBOURS})"
        answers = neighbours_vote(ranking, labels)
        given = names
    else:
        classifier, answering = head or ALL, asked_heads(heads, head)
        given, answers, unknown = _asked(embedder.built_in, heads, head, vectors, names)
    learned = learned_images(examples, answering, embedder.backbone, catalog)
    others = np.empty(0, np.int64) if learned is None else np.flatnonzero(~learned)
    return Evaluation(
        images=len(labels),
        classifier=classifier,
        accuracy=accuracy(labels, answers),
        balanced_accuracy=balanced_accuracy(labels, answers),
        majority_baseline=majority_baseline(labels),
        learned=None if learned is None else int(learned.sum()),
        accuracy_without_learned=accuracy(labels[others], answers[others]),
        per_category=category_scores(names, labels, answers, undefined=0.0),
        confusion=confusion_table(given, labels, answers),
        precision_at_1=ranking.precision_at_1,
        precision_at_10=ranking.precision_at_10,
        map=ranking.map,
        copies=len(groups) - len(np.unique(groups)),
        unknown=unknown,
        skipped=list(examples.skipped),
        unused_labels=rule.unused() if rule else (),
        notes=examples.notes,
    )


def _asked(
    built_in: BuiltIn,
    heads: Sequence[Head],
    head: str | None,
    vectors: Vectors,
    names: tuple[str, ...],
) -> tuple[tuple[str, ...], Ids, int]:
    """Return all names, `names` first; the position of each image's answer; how many are unknown.

    Two heads may have categories of one name: as an answer they are the same.
    """
    given = list(names)
    position = {same_name(name): at for at, name in enumerate(names)}
    parts, unknown = [], 0
    for start in range(0, len(vectors), BLOCK):
        answer = distribution(built_in, heads, head, vectors[start : start + BLOCK])
        for _, name in answer.names:
            if position.setdefault(same_name(name), len(given)) == len(given):
                given.append(name)
        merged = [position[same_name(name)] for _, name in answer.names]
        parts.append(np.array(merged, np.int64)[answer.probability.argmax(axis=1)])
        unknown += int(answer.unknown.sum())
    return tuple(given), np.concatenate(parts), unknown
