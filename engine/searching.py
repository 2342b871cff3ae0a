"""Answering "what does this look like?"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.embedder import Embedder
from engine.errors import ImageError, UsageError
from engine.heads.classifier import Classifier
from engine.heads.head import Head
from engine.pipeline import ahead
from engine.preprocess import Pixels
from engine.results import Hit, SearchReport, Skipped
from engine.sources import ImageLike, read_source, source_name
from index.catalog import Catalog
from index.filters import Filter
from index.records import Vectors
from index.vectors import VectorIndex

BATCH = 32


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


def embed_sources(
    embedder: Embedder,
    images: Sequence[ImageLike],
    skipped: list[Skipped] | None,
) -> tuple[list[str], Vectors]:
    """Return names and embeddings of pictures handed in.

    Raises
    ------
    ImageError
        One cannot be used and `skipped` is None, or none of them can.
    """
    if not images:
        raise UsageError("IMAGE", "no picture was named", "Name a path, a URL, or - for stdin")

    def open_one(image: ImageLike) -> Pixels | ImageError:
        name = source_name(image)
        try:
            return embedder.pixels(
                read_source(image, embedder.config, embedder.reporter.announce), name
            )
        except ImageError as error:
            return error

    names: list[str] = []
    parts: list[Vectors] = []
    pending: list[Pixels] = []
    failure: ImageError | None = None
    opened = ahead(open_one, images, workers=embedder.config.decoders, window=2 * BATCH)
    for image, answer in zip(images, opened, strict=True):
        if isinstance(answer, ImageError):
            failure = answer
            if skipped is None:
                raise answer
            skipped.append(Skipped(source_name(image), answer.reason, answer.remedy))
            continue
        names.append(source_name(image))
        pending.append(answer)
        if len(pending) == BATCH:
            parts.append(embedder.embed(pending))
            pending.clear()
        embedder.reporter.progress("looking", len(names), len(images), "images")
    if failure is not None and not names:
        raise failure
    parts.append(embedder.embed(pending))
    return names, Vectors.concatenate(parts)
