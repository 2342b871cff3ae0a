"""Evaluation of a labelled data set, from pictures to figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.embedding.embedder import Embedder
from engine.errors import UsageError
from engine.heads.classifier import Classifier, Distribution
from engine.heads.head import Head
from engine.heads.registry import ALL, distribution
from engine.ingest.labels import label_rule
from engine.learning.dataset import Collector, find_labelled, label_numbers
from engine.learning.metrics import (
    NEIGHBOURS,
    category_scores,
    confusion,
    neighbours_vote,
    retrieval,
)
from engine.results import Evaluation
from index.catalog.catalog import Catalog


def evaluate(
    catalog: Catalog | None,
    embedder: Embedder,
    heads: Sequence[Head],
    dataset: str,
    head: str | None,
    label: str | None,
) -> Evaluation:
    """Measure classification and search on a data set; see `Engine.evaluate`."""
    files, skipped = find_labelled(dataset, label_rule(label) if label else None)
    collector = Collector(catalog, embedder, keep=False)
    found = collector.collect(dataset, files)
    if not found.files:
        raise UsageError(dataset, "none of its pictures can be read", "See the list of skips")
    vectors = found.vectors()
    truth = [each.label for each in found.files]
    names, labels = label_numbers(truth)
    ranking = retrieval(vectors.unit, labels)
    known = {name for _, name in Classifier(embedder.built_in, heads).names}
    if head is None and not known.issuperset(names):
        classifier = f"nearest neighbours (k={NEIGHBOURS})"
        votes = neighbours_vote(ranking, labels, len(names))
        answers = [names[vote] for vote in votes]
        unknown = 0
    else:
        classifier = head or ALL
        answer = distribution(embedder.built_in, heads, head, vectors)
        answers = _best(answer)
        unknown = int(answer.unknown.sum())
    right = [label == given for label, given in zip(truth, answers, strict=True)]
    return Evaluation(
        images=len(truth),
        classifier=classifier,
        accuracy=float(np.mean(right)),
        per_category=category_scores(truth, answers),
        confusion=confusion(truth, answers),
        precision_at_1=ranking.precision_at_1,
        precision_at_10=ranking.precision_at_10,
        map=ranking.map,
        unknown=unknown,
        skipped=[*skipped, *found.skipped],
    )


def _best(answer: Distribution) -> list[str]:
    best = answer.best()
    return [best.names[choice][1] for choice in best.choice]
