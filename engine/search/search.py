"""Answering "what does this look like?"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.embedding.embedder import Embedder
from engine.errors import UsageError
from engine.heads.head import Head
from engine.results import Hit, SearchReport
from index.catalog.catalog import Catalog
from index.catalog.filters import Filter
from index.records import Vectors
from index.vectors.index import VectorIndex


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for; the fields are the parameters of `Engine.search`."""

    k: int
    min_score: float | None
    category: str | None
    same_category: bool
    where: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError("k", f"{self.k} results cannot be found", "Ask for one or more")
        Filter.parse(self.where)  # a mistake is told before anything slow begins

    @property
    def filter(self) -> Filter:
        """The conditions as one filter."""
        chosen = Filter.parse(self.where)
        return chosen & Filter.category(self.category) if self.category else chosen


def search(
    catalog: Catalog,
    index: VectorIndex,
    embedder: Embedder,
    heads: Sequence[Head],
    names: Sequence[str],
    vectors: Vectors,
    query: Query,
) -> SearchReport:
    """Find the nearest images to the mean of some embeddings."""
    mean = Vectors.of(vectors.unit.mean(axis=0, keepdims=True))
    condition, category = query.filter, query.category
    if query.same_category:
        from engine.heads.classifier import Classifier

        raw = Vectors.of(vectors.raw.mean(axis=0, keepdims=True))
        answer = Classifier(embedder.built_in, heads).joint(raw).ranked(names[:1], 1)[0]
        category = answer.category
        condition = condition & Filter.category(category) if category else condition
    allowed = catalog.images.matching(condition) if condition else None
    hits = index.search(mean.unit, min(query.k, max(len(index), 1)), allowed)
    least = -np.inf if query.min_score is None else query.min_score
    found = [
        (int(image_id), float(score))
        for image_id, score in zip(hits.ids[0], hits.scores[0], strict=True)
        if image_id >= 0 and score >= least
    ]
    rows = catalog.images.rows([image_id for image_id, _ in found])
    shown = [(rows[image_id], score) for image_id, score in found if image_id in rows]
    results = [
        Hit(rank, score, row.path, row.label, row.category)
        for rank, (row, score) in enumerate(shown, start=1)
    ]
    return SearchReport(" + ".join(names), list(names), results, category)
