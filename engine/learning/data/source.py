"""What a training is asked to learn from, and how its examples are collected."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from engine.embedding.embedder import Embedder
from engine.heads.record import FROM_JUDGEMENTS, FROM_LABELS
from engine.learning.data.collect import collect, collect_labelled
from engine.learning.data.examples import Examples
from engine.learning.data.judged import JUDGED, collect_judged
from engine.learning.data.requirements import Requirements
from engine.pictures.augment import view_names
from index.catalog.catalog import Catalog
from index.names import readable


@dataclass(frozen=True, slots=True)
class Source:
    """What a training is asked to learn from; see `Engine.train`.

    Attributes
    ----------
    dataset
        A folder with one folder per category; None for the catalog's images.
    judged
        Learn what people judged of these instead of their labels.
    only
        Of judged categories these alone; none for all.
    extend
        Add to what the head of the same name has learned.
    drawn_views
        Learn from so many drawn views of each image, too; None to leave it open.
    mirror_indexed
        Learn from mirrored copies of images that are in the catalog, too.
    min_images
        Leave out categories with fewer images; 0 to refuse those with fewer than two.
    """

    dataset: str | None = None
    extend: bool = False
    drawn_views: int | None = None
    mirror_indexed: bool = False
    min_images: int = 0
    judged: bool = False
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Where examples come from, for a head's record."""
        if self.dataset is None:
            return FROM_JUDGEMENTS if self.judged else FROM_LABELS
        return readable(os.path.abspath(self.dataset))

    @property
    def requirements(self) -> Requirements:
        """How many images a category must have: a single one only where that was asked for."""
        if self.min_images == 1:
            return Requirements(fewest=1, min_images=1)
        return Requirements(min_images=self.min_images)


def collected(
    source: Source,
    catalog: Catalog,
    embedder: Embedder,
    drawn_views: int | None = None,
    seconds: float = math.inf,
) -> Examples:
    """Return what to learn.

    Parameters
    ----------
    drawn_views
        So many, whatever the source says of them.
    seconds
        As of `collect.collect`.

    Raises
    ------
    UsageError, TrainingError, OutOfTimeError
        As by `collect.collect`.
    """
    if source.judged:
        required = source.requirements if source.min_images else JUDGED
        return collect_judged(catalog, source.only, required)
    if source.dataset is None:
        return collect_labelled(catalog, source.requirements)
    drawn = (source.drawn_views or 0) if drawn_views is None else drawn_views
    return collect(
        source.dataset,
        embedder,
        catalog,
        views=view_names(drawn),
        requirements=source.requirements,
        keep_views=True,
        open_indexed=source.mirror_indexed or drawn > 0,
        seconds=seconds,
    )
