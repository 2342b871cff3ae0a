"""Answering "what does this look like?"."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config import require_number
from engine.embedding.embedder import Embedder
from engine.search.results import Hit, SearchReport
from engine.search.verify import verified
from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Filter
from index.errors import CatalogDamagedError
from index.records import Vectors
from index.sync import damage_told
from index.vectors.index import Hits, VectorIndex

if TYPE_CHECKING:
    # A search within no category asks no head.
    from engine.heads.head import Head


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for.

    Attributes
    ----------
    k
        How many results.
    min_score
        Leave out results less similar than this (cosine, -1 to 1).
    category
        Only images that the engine says are this.
    same_category
        Classify the query first, then search within its category.
    where
        Conditions on images.

    Raises
    ------
    UsageError
        A number is out of its range.
    """

    k: int
    min_score: float | None
    category: str | None
    same_category: bool
    where: Filter

    def __post_init__(self) -> None:
        require_number("k", self.k, 1, whole=True)
        if self.min_score is not None:
            require_number("min_score", self.min_score, -1, 1)


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
    condition, category = query.where, query.category
    if category:
        condition = condition & Filter.category(category)
    if query.same_category:
        from engine.heads.classifier import Classifier

        raw = Vectors.of(vectors.raw.mean(axis=0, keepdims=True))
        answer = Classifier(embedder.built_in, heads).joint(raw).ranked(names[:1], 1)[0]
        category = answer.category
        condition = condition & Filter.category(category) if category else condition
    allowed = catalog.images.matching(condition) if condition else None
    hits = index.search(mean.unit, min(int(query.k), max(len(index), 1)), allowed)
    hits, damaged = verified(catalog, index, mean.unit, hits)
    for problem in damage_told(catalog, damaged):
        embedder.reporter.announce(problem)
    least = -math.inf if query.min_score is None else query.min_score
    found = [
        (int(image_id), float(score))
        for image_id, score in zip(hits.ids[0], hits.scores[0], strict=True)
        if image_id >= 0 and score >= least
    ]
    rows = catalog.images.rows([image_id for image_id, _ in found])
    if len(rows) < len(found):
        # Index and catalog are of one state: such rows are lost, and others may be.
        raise CatalogDamagedError(
            catalog.database.name,
            f"rows of {len(found) - len(rows)} images are not there any more",
            "`engine status` checks it. Put back a copy of the file, or index into another store "
            "with --store",
        )
    shown = [(rows[image_id], score) for image_id, score in found]
    results = [
        Hit(rank, score, row.path, row.label, row.category, not os.path.exists(row.path))
        for rank, (row, score) in enumerate(shown, start=1)
    ]
    why = None if results else _why_empty(catalog, condition, hits, query.min_score)
    close = _close(hits, embedder.backbone.close)
    query_name = " + ".join(names)
    return SearchReport(query_name, list(names), results, category, why_empty=why, close=close)


def _close(hits: Hits, least: float | None) -> bool | None:
    """Say whether the most similar image is close; None where nobody can."""
    found = hits.scores[hits.ids >= 0]
    return None if least is None or not len(found) else bool(found.max() >= least)


def _why_empty(catalog: Catalog, condition: Filter, hits: Hits, min_score: float | None) -> str:
    from engine.search.explain import why_empty

    scores = hits.scores[hits.ids >= 0]
    return why_empty(catalog, condition, float(scores.max()) if len(scores) else None, min_score)
