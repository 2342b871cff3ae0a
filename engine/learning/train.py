"""Training: from a folder of examples, or the catalog's own labels, to a head in the catalog."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from engine.embedding.embedder import Embedder
from engine.heads.background import MOST_FROM_CATALOG
from engine.heads.head import Head
from engine.heads.model_selection import describe, tune
from engine.heads.options import TrainOptions
from engine.heads.record import Record, versions
from engine.heads.registry import find_head
from engine.ingest.reclassify import adopt_heads
from engine.learning.collect import collect, collect_labelled
from engine.learning.dataset import require_enough
from engine.learning.examples import Examples
from engine.learning.extend import extended
from engine.learning.results import DIVERGED, TrainReport, TrainSeconds, TriedTraining, Tuning
from engine.learning.train_head import Origin, layer_rows, train_head
from engine.pictures.augment import view_names
from index.catalog.catalog import Catalog
from index.records import Ids, Vectors

LOST = "{lost} of the pictures learned before are not in this store any more, and were left out"
FROM_LABELS = "labels of the catalog"


class Trainer:
    """Trains heads for one catalog, whose writer lock the caller holds.

    Parameters
    ----------
    catalog
        Where heads are kept.
    embedder
        The catalog's backbone.
    heads
        The heads the catalog has.
    tuned
        Compare ways of training first, and take the best.
    extend
        Keep what the head of that name has learned, and add to it.
    """

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        heads: Sequence[Head],
        *,
        tuned: bool = False,
        extend: bool = False,
    ) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._heads = heads
        self._tuned = tuned
        self._extend = extend

    def from_folder(
        self,
        name: str,
        dataset: str,
        options: TrainOptions,
        *,
        drawn_views: int = 0,
        mirror_indexed: bool = False,
    ) -> TrainReport:
        """Train on a folder with one folder per category.

        Raises
        ------
        UsageError
            There is no such folder, or no picture in it has a category.
        TrainingError
            A category has too few usable pictures.
        """
        started = time.monotonic()
        examples = collect(
            dataset,
            self._embedder,
            self._catalog,
            views=view_names(drawn_views),
            keep_views=True,
            open_indexed=mirror_indexed or drawn_views > 0,
        )
        return self._fit(name, os.path.abspath(dataset), examples, options, started)

    def from_labels(self, name: str, options: TrainOptions) -> TrainReport:
        """Train on the labels that the catalog's images have; no picture is opened.

        Raises
        ------
        TrainingError
            There are no labels, or one has too few images.
        """
        started = time.monotonic()
        return self._fit(name, FROM_LABELS, collect_labelled(self._catalog), options, started)

    def _fit(
        self,
        name: str,
        data: str,
        examples: Examples,
        options: TrainOptions,
        began: float,
    ) -> TrainReport:
        started = time.monotonic()
        embed_seconds = started - began
        notes = []
        if self._extend:
            before = find_head(self._heads, name)
            examples, lost = extended(examples, before, self._catalog)
            data = f"{before.record.data}, then {data}" if before.record else data
            require_enough(name, set(examples.categories), _texts(examples))
            notes += [LOST.format(lost=lost)] if lost else []
        origin = Origin(name, self._embedder.backbone.name, self._embedder.fingerprint)
        tuning = None
        if self._tuned:
            tuning, options = self._tune(examples, options)
        background = self._background(examples.categories, set(examples.hashes), options.seed)
        trained = train_head(
            origin,
            examples,
            background,
            self._embedder.built_in,
            options,
            lambda done, total: self._embedder.reporter.progress("training", done, total, "epochs"),
        )
        self._embedder.reporter.progress(
            "training", len(trained.history), len(trained.history), "epochs"
        )
        seconds = TrainSeconds(embed_seconds, time.monotonic() - started)
        settings = asdict(options) | {
            "views": list(examples.views),
            "tuned": tuning.reason if tuning else None,
        }
        head = trained.head
        head = replace(
            head,
            record=replace(
                head.record or Record(),
                data=data,
                settings=settings,
                versions=versions(),
                seconds=asdict(seconds),
            ),
        )
        others = [each for each in self._heads if each.name != name]
        adopt_heads(self._catalog, self._embedder, [*others, head], put=head)
        return TrainReport(
            head=name,
            categories=examples.categories,
            images=len(examples),
            embedded=examples.embedded,
            validation_images=trained.validation_images,
            validation_accuracy=trained.head.metrics["validation_accuracy"],
            temperature=trained.head.temperature,
            background=trained.background,
            seconds=seconds,
            skipped=examples.skipped,
            history=trained.history,
            tuning=tuning,
            notes=[*notes, DIVERGED] if trained.diverged else notes,
        )

    def _tune(self, examples: Examples, options: TrainOptions) -> tuple[Tuning, TrainOptions]:
        started = time.monotonic()
        progress = self._embedder.reporter.progress
        tuned = tune(
            layer_rows(examples),
            examples.image,
            examples.originals,
            len(examples.categories),
            options,
            progress=lambda done, total: progress("tuning", done, total, "trainings"),
        )
        tried = [
            TriedTraining(
                describe(each.options),
                each.log_loss,
                each.accuracy,
                each.behind,
                each.uncertain,
                each is tuned.chosen,
            )
            for each in tuned.tried
        ]
        seconds = time.monotonic() - started
        return (
            Tuning(tuned.reason, tuned.folds, tuned.images, tried, seconds),
            tuned.chosen.options,
        )

    def _background(self, categories: Sequence[str], hashes: set[str], seed: int) -> Vectors:
        """Return catalog embeddings that nobody says show one of these categories."""
        taken = {name.casefold() for name in categories}
        others: Ids = np.array(
            [
                each.id
                for each in self._catalog.images.contents()
                if each.content_hash not in hashes
                and (each.label is None or each.label.casefold() not in taken)
            ],
            np.int64,
        )
        if not len(others):
            return Vectors.empty(self._embedder.backbone.dim)
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(others)[:MOST_FROM_CATALOG]
        return self._catalog.embeddings.of(chosen.tolist())[1]


def _texts(examples: Examples) -> list[str]:
    """Return the category of each picture by name."""
    return [examples.categories[label] for label in examples.labels]
