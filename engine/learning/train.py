"""`Engine.train`: collect examples, train a head on them, and commit it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from engine.embedding.embedder import Embedder
from engine.errors import TrainingError
from engine.heads.check import check_categories
from engine.heads.head import Head, find_head
from engine.heads.options import LBFGS, TrainOptions
from engine.heads.record import THEN, Record, versions
from engine.ingest.reclassify import adopt_heads
from engine.learning.data.copies import copy_groups
from engine.learning.data.examples import Examples
from engine.learning.data.extend import extended
from engine.learning.data.notes import data_notes, refusal_notes
from engine.learning.data.propagation import (
    PropagationOptions,
    Surroundings,
    surroundings_of,
)
from engine.learning.data.requirements import Requirements, chosen_categories, sizes_of
from engine.learning.data.source import Source, collected
from engine.learning.results import DIVERGED, TrainReport, TrainSeconds
from engine.learning.selection.views import ViewOptions, with_views
from engine.learning.train_head import HeadTraining, Trained, TrainLimits
from engine.learning.trial import new_head
from index.catalog.catalog import Catalog
from index.names import same_name
from index.records import Ids, Vectors
from index.vectors.index import VectorIndex

LOST = "{lost} of the pictures learned before are not in this store any more, and were left out"
HELPED = (
    "few pictures of each category: {count:,} pictures of the catalog without a label helped, as "
    "far as they look alike; --no-unlabelled leaves them out"
)
TOO_FEW = (
    "fewer than {count} pictures of each category are too few to compare ways of training by: "
    "it was done by the defaults"
)
# What is trained with pictures without a label: measured in docs/heads.md.
FEW: Mapping[str, Any] = {"optimizer": LBFGS, "weight_decay": 1.0, "label_smoothing": 0.1}
NAN = float("nan")
# Of the budget, what is left for gates and for the catalog, whose time no trial tells.
FOR_THE_REST = 0.18
# Of the time that is left when images are embedded, what drawn views may take.
FOR_VIEWS = 0.85


Question = Callable[[Catalog, VectorIndex], Surroundings | None]
Ask = Callable[[Question], Surroundings | None]


def train(
    catalog: Catalog,
    embedder: Embedder,
    heads: Sequence[Head],
    name: str,
    source: Source,
    options: TrainOptions,
    *,
    select_model: bool = False,
    limits: TrainLimits | None = None,
    began: float | None = None,
    ask: Ask | None = None,
) -> TrainReport:
    """Train a head, and store it in a catalog whose writer lock the caller holds.

    Where nothing says how to train, options are selected and views drawn within
    `TrainOptions.budget`.

    Parameters
    ----------
    heads
        The heads the catalog has; one of that name is replaced.
    select_model
        Select the options first, starting from those given, however long it takes unless a budget
        was given.
    began
        When the budget began, by `time.monotonic`; None for now.
    ask
        Asks the index, whose graph tells what images without a label show; None for no index.

    Raises
    ------
    UsageError
        There is no such folder, or no image in it has a category.
    TrainingError
        A category has too few usable images.
    """
    limits = limits or TrainLimits()
    called = time.monotonic()
    examples, data = collected(source, catalog, embedder), source.name
    told = select_model or options.fast or options.says_how
    chooses = not (told or source.extend or source.judged)
    deadline, late = math.inf, ""
    notes: list[str] = []
    if chooses or "budget" in options.wished:
        deadline = _deadline(called if began is None else began, options.budget)
    if source.judged and not told:
        # Nobody judges so many that a comparison tells more than it takes of people's time.
        if options.unlabelled and _are_few(examples, limits.propagation):
            examples = _with_unlabelled(examples, ask, limits.propagation)
        options = replace(options, **FEW)
    if chooses and _are_few(examples, limits.propagation):
        # On so few images no comparison tells which way to train is better.
        chooses = False
        examples, options, notes = _few(examples, options, ask, limits.propagation)
    if chooses and source.drawn_views is None:
        judging = replace(limits.selection, judge_views=True)
        limits = replace(limits, selection=judging)
        examples, late = _with_views(examples, source, catalog, embedder, limits.views, deadline)
    started = time.monotonic()
    if source.extend:
        before = find_head(heads, name)
        examples, lost = _with_learned(examples, before, catalog)
        data = f"{before.record.data}{THEN}{data}" if before.record else data
        notes += [LOST.format(lost=lost)] if lost else []
    _require_categories(examples.categories)
    notes += data_notes(examples)
    training = HeadTraining(
        examples,
        background_of(catalog, examples, limits.background, options.seed),
        embedder.built_in,
        options,
        limits,
        lambda done, total: embedder.reporter.progress("training", done, total, "epochs"),
        lambda done, total: embedder.reporter.progress("selecting", done, total, "trials"),
        lambda done, total: embedder.reporter.progress("gating", done, total, "gates"),
    )
    trained = training.run(
        new_head(name, embedder.identity, examples),
        select_model=select_model or chooses,
        deadline=deadline,
    )
    if trained.selection and late:
        reason = f"{trained.selection.reason}; {late}"
        trained = replace(trained, selection=replace(trained.selection, reason=reason))
    notes += refusal_notes(trained.head.metrics)
    if trained.unlabelled:
        notes.append(HELPED.format(count=trained.unlabelled))
    seconds = TrainSeconds(started - called, time.monotonic() - started)
    head = _with_origin(trained, data, examples.views, seconds)
    others = [each for each in heads if each.name != name]
    adopt_heads(catalog, embedder, [*others, head], put=head)
    notes += [DIVERGED] if trained.diverged else []
    return _report(replace(trained, head=head), examples, seconds, notes)


def _few(
    examples: Examples, options: TrainOptions, ask: Ask | None, how: PropagationOptions
) -> tuple[Examples, TrainOptions, list[str]]:
    """Return how few examples are learned: with the images around them, or by the defaults."""
    if options.unlabelled:
        examples = _with_unlabelled(examples, ask, how)
    if examples.around is not None:
        return examples, replace(options, **FEW), []
    return examples, options, [TOO_FEW.format(count=how.fewer_than)]


def _are_few(examples: Examples, options: PropagationOptions) -> bool:
    return len(examples) < options.fewer_than * len(examples.categories)


def _with_unlabelled(examples: Examples, ask: Ask | None, options: PropagationOptions) -> Examples:
    """Return few examples with the images around them, where there are such."""
    categories = len(examples.categories)
    if ask is None or categories < 2:
        return examples
    least, *_, most = sorted(np.bincount(examples.labels).tolist())
    if categories == 2 and most >= options.unequal * least:
        return examples
    unit, hashes = examples.vectors.unit[examples.originals], frozenset(examples.hashes)
    if examples.refused is not None:
        hashes = hashes.union(examples.refused.hashes)
    around = ask(lambda catalog, index: surroundings_of(unit, hashes, catalog, index, options))
    return replace(examples, around=around)


def _deadline(began: float, budget: float) -> float:
    """Return by when a head should be trained, by `time.monotonic`, now that images are embedded.

    That counts, but leaves at least half of the budget: many images deserve a choice, too.
    """
    return max(began + budget, time.monotonic() + budget / 2) - FOR_THE_REST * budget


def _with_views(
    examples: Examples,
    source: Source,
    catalog: Catalog,
    embedder: Embedder,
    options: ViewOptions,
    deadline: float,
) -> tuple[Examples, str]:
    """Return examples with drawn views, where there is time; and what there was no time for."""
    if source.dataset is None:
        return examples, ""
    now = time.monotonic()
    return with_views(
        examples,
        lambda count, seconds: collected(source, catalog, embedder, count, seconds),
        now + FOR_VIEWS * (deadline - now),
        options,
    )


def _require_categories(categories: Sequence[str]) -> None:
    """Refuse names that no category can have, before anything is learned."""
    try:
        check_categories(categories)
    except ValueError as error:
        raise TrainingError("categories", str(error), "Give it a shorter name") from None


def _with_learned(examples: Examples, head: Head, catalog: Catalog) -> tuple[Examples, int]:
    """Return examples with those that a head learned from, and how many of these are lost."""
    examples, lost = extended(examples, head, catalog)
    labels = [examples.categories[label] for label in examples.labels]
    sizes = sizes_of(zip(examples.hashes, labels, strict=True))
    chosen_categories(head.name, sizes, Requirements())
    return examples, lost


def background_of(catalog: Catalog, examples: Examples, most: int, seed: int) -> Vectors:
    """Return embeddings, in random order, of images with no label that is learned.

    Of copies, exact or nearly so, one is taken: so an image that is measured on was not learned
    from.
    """
    taken = {same_name(name) for name in examples.categories}
    learned = set(examples.hashes)
    if examples.refused is not None:
        learned.update(examples.refused.hashes)
    others = {
        each.content_hash: each.id
        for each in catalog.contents.visible()
        if each.content_hash not in learned
        and (each.label is None or same_name(each.label) not in taken)
    }
    ids: Ids = np.array(list(others.values()), np.int64)
    if not len(ids):
        return Vectors.empty(examples.vectors.unit.shape[1])
    chosen = np.random.default_rng(seed).permutation(ids)[:most]
    found, vectors = catalog.embeddings.of(chosen.tolist())
    # The catalog gives them in an order of its own.
    row = {image_id: at for at, image_id in enumerate(found.tolist())}
    rows: Ids = np.array([row[image_id] for image_id in chosen.tolist()], np.int64)
    return vectors[rows[np.unique(copy_groups(list(map(str, chosen)), vectors.unit, rows))]]


def _with_origin(trained: Trained, data: str, views: Sequence[str], seconds: TrainSeconds) -> Head:
    """Return the head with how it came to be."""
    selection = trained.selection
    record = replace(
        trained.head.record or Record(),
        data=data,
        settings=asdict(trained.options)
        | {"unlabelled": trained.unlabelled}
        | {
            "views": list(views[: trained.options.views]),
            "selection": selection.reason if selection else None,
        },
        versions=versions(),
        seconds=asdict(seconds),
    )
    return replace(trained.head, record=record)


def _report(
    trained: Trained, examples: Examples, seconds: TrainSeconds, notes: Sequence[str]
) -> TrainReport:
    head = trained.head
    return TrainReport(
        head=head.name,
        categories=head.categories,
        images=len(examples),
        embedded=examples.embedded,
        test_images=int(head.metrics["test_images"]),
        folds=head.record.folds if head.record else 1,
        validation_accuracy=head.metrics.get("validation_accuracy", NAN),
        balanced_accuracy=head.metrics.get("balanced_accuracy", NAN),
        majority_baseline=head.metrics.get("majority_baseline", NAN),
        temperature=head.temperature,
        background=trained.background,
        unlabelled=trained.unlabelled,
        seconds=seconds,
        skipped=list(examples.skipped),
        history=head.history,
        selection=trained.selection,
        notes=notes,
    )
