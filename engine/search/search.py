"""Answering "what does this look like?"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config import require_number
from engine.embedding.embedder import Embedder
from engine.errors import UsageError
from engine.pictures.sources.paths import exists
from engine.progress import timed
from engine.search.ranking import (
    FUSED,
    PLAIN,
    Ranked,
    fused_ranking,
    plain_ranking,
    require_rank,
)
from engine.search.results import Hit, SearchReport
from engine.search.terms import Terms
from engine.search.verify import verified
from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Filter
from index.catalog.tables.shown import ShownImage, shown_images
from index.errors import CatalogDamagedError
from index.records import Floats, Ids, Vectors
from index.sync import damage_told
from index.vectors.index import VectorIndex

if TYPE_CHECKING:
    # A search within no category asks no head.
    from engine.heads.head import Head

# Scores of codes are hardly ever off by more.
CODES_OFF = 0.03
# Of codes of some directions of a vector scores are further off, so that more hits are compared
# with the catalog's vectors for each that is asked for.
COARSE_OFF, COARSE_RESULTS = 0.2, 10


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
    rank
        `fused` or `plain`: see `ranking.py`.

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
    rank: str = FUSED

    def __post_init__(self) -> None:
        require_rank(self.rank)
        require_number("k", self.k, 1, whole=True)
        if self.min_score is not None:
            require_number("min_score", self.min_score, -1, 1)


def search(
    catalog: Catalog,
    index: VectorIndex,
    embedder: Embedder,
    heads: Sequence[Head],
    terms: Terms,
    query: Query,
) -> SearchReport:
    """Find the nearest images to the mean of some embeddings, less others."""
    if query.same_category and not terms.names:
        remedy = "Name one, or the category itself with --category"
        raise UsageError("same_category", "there is no picture to classify", remedy)
    if terms.not_understood:
        return _not_understood(terms)
    vector = terms.unit
    category, condition = query.category, _of_category(query.where, query.category)
    if query.same_category:
        category = _category(embedder, heads, terms.names, terms.vectors)
        condition = _of_category(condition, category)
    allowed = None
    if condition:
        with timed(embedder.reporter, "sql"):
            allowed = catalog.images.matching(condition)
    least = -math.inf if query.min_score is None else query.min_score
    with timed(embedder.reporter, "search"):
        ranked = _ranked(index, vector, query, allowed, least)
    ranked, damaged = verified(catalog, index, vector, ranked)
    for problem in damage_told(catalog, damaged):
        embedder.reporter.announce(problem)
    found = [
        each
        for each in zip(
            ranked.ids.tolist(), ranked.scores.tolist(), ranked.rank_scores.tolist(), strict=True
        )
        if each[1] >= least
    ][: int(query.k)]
    with timed(embedder.reporter, "sql"):
        rows = _rows(catalog, [image_id for image_id, *_ in found])
    results = [
        _hit(rank, image_id, rows[image_id], score, rank_score)
        for rank, (image_id, score, rank_score) in enumerate(found, start=1)
    ]
    # Of codes the best is known as far as they go, of what was found exactly.
    best = max([ranked.best, *ranked.scores.tolist()])
    return SearchReport(
        str(terms),
        list(terms.names),
        results,
        category,
        why_empty=None if results else _why_empty(catalog, condition, best, query.min_score),
        # What is close was measured between pictures.
        close=_close(best, embedder.backbone.close) if terms.is_plain else None,
        order=ranked.order,
        understood=terms.understood,
        without=list(terms.without),
    )


def _not_understood(terms: Terms) -> SearchReport:
    """Return an answer without hits: what is near a text that nobody understood is noise."""
    texts = ", ".join(f"{text!r}" for text in terms.not_understood)
    why = (
        f"{texts} {'is' if len(terms.not_understood) == 1 else 'are'} not understood: no category "
    )
    why += "has a name like it. Say it in other words, or what it is a kind of"
    return SearchReport(
        str(terms),
        list(terms.names),
        [],
        why_empty=why,
        understood=terms.understood,
        without=list(terms.without),
    )


def _of_category(condition: Filter, category: str | None) -> Filter:
    return condition & Filter.category(category) if category else condition


def _category(
    embedder: Embedder, heads: Sequence[Head], names: Sequence[str], vectors: Vectors
) -> str | None:
    """Return the category of the query, None where it is unknown."""
    from engine.heads.classifier import Classifier

    raw = Vectors.of(vectors.raw.mean(axis=0, keepdims=True))
    return Classifier(embedder.built_in, heads).joint(raw).ranked(names[:1], 1)[0].category


def _rows(catalog: Catalog, ids: Sequence[int]) -> dict[int, ShownImage]:
    rows = shown_images(catalog.database, ids)
    if len(rows) < len(ids):
        # Index and catalog are of one state: such rows are lost, and others may be.
        raise CatalogDamagedError(
            catalog.database.name,
            f"rows of {len(ids) - len(rows)} images are not there any more",
            "`engine status` checks it. Put back a copy of the file, or index into another store "
            "with --store",
        )
    return rows


def _ranked(
    index: VectorIndex, vector: Floats, query: Query, allowed: Ids | None, least: float
) -> Ranked:
    """Return the images that are nearest to a unit vector float32 `[dim]`, best first."""
    wanted = int(query.k) * (COARSE_RESULTS if index.coarse else 1)
    k = min(wanted, max(len(index), 1))
    if query.rank == PLAIN:
        return plain_ranking(index, vector, k, allowed)
    # Codes may understate a cosine that is high enough.
    slack = (COARSE_OFF if index.coarse else CODES_OFF) if index.approximate else 0.0
    return fused_ranking(index, vector, k, allowed, least=least - slack)


def _hit(rank: int, image_id: int, row: ShownImage, score: float, rank_score: float) -> Hit:
    missing = not exists(row.path)
    return Hit(rank, score, row.path, row.label, row.category, missing, rank_score, image_id)


def _close(best: float, least: float | None) -> bool | None:
    """Say whether the most similar image is close; None where nobody can."""
    return None if least is None or best == -math.inf else best >= least


def _why_empty(catalog: Catalog, condition: Filter, best: float, min_score: float | None) -> str:
    from engine.search.explain import why_empty

    return why_empty(catalog, condition, None if best == -math.inf else best, min_score)
