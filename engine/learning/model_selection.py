"""Model selection: which options train the better head, by cross-validation on embeddings.

Every candidate is fitted to train images, stopped and calibrated on validation images, and compared
on images of a fold that served for neither. Where the head is measured by cross-fitting, candidates
are selected anew for each fold of test images, from trials that left this fold out: then what is
reported on it is no score that anything was selected by. A trial that left two folds out serves
the selection for both, on the images of the other one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.heads.fitting.rows import balanced_sample
from engine.heads.options import ADAMW, LBFGS, TrainOptions
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split, draw_folds, split_without
from engine.learning.results import Candidate, ModelSelection
from engine.learning.trial import test_answers
from index.records import Floats, Ids

# What is compared, the simplest first: among those that do about equally well the first is taken.
CANDIDATES: tuple[Mapping[str, Any], ...] = (
    {"hidden": (), "optimizer": LBFGS, "weight_decay": 1.0},
    {"hidden": (), "optimizer": LBFGS, "weight_decay": 10.0},
    {"hidden": (), "optimizer": LBFGS, "weight_decay": 1.0, "label_smoothing": 0.1},
    {"hidden": (), "weight_decay": 0.05},
    {"hidden": (256,), "dropout": 0.3},
    {"hidden": (256,), "dropout": 0.6, "label_smoothing": 0.1},
)
# Log-loss of an answer that is not finite.
WORST = 1e6
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """How candidates are compared.

    Attributes
    ----------
    candidates
        Changes of the options that were given, the simplest first.
    folds
        Where a head has one test part: the others are compared in so many folds.
    images, images_each
        At most so many images are compared on, but so many of each category.
    views
        Of each image; more make all candidates better and slower, but seldom another one best.
    """

    candidates: Sequence[Mapping[str, Any]] = CANDIDATES
    folds: int = 5
    images: int = 4000
    images_each: int = 20
    views: int = 2


@dataclass(frozen=True, slots=True)
class Selected:
    """The options selected: for the trial of each split, for the final head, and why."""

    of_splits: Sequence[TrainOptions]
    final: TrainOptions
    told: ModelSelection


def select(
    examples: Examples,
    splits: Sequence[Split],
    options: TrainOptions,
    how: SelectionOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Selected:
    """Select options for the trial of each split, without its test images, and for the final head.

    Candidates are compared by log-loss after temperature scaling, which tells more than accuracy
    where most answers are right, image by image. Of those within one standard error of the best
    the first is selected (Breiman et al., "Classification and Regression Trees", 1984, section
    3.4.3).

    Parameters
    ----------
    splits
        The splits that the head will be measured on; see `measuring_splits`.
    options
        What every candidate is a change of. What differs from the defaults was somebody's wish,
        and stays.
    progress
        Hears how many trials are done, and of how many.
    """
    started = time.monotonic()
    how = how or SelectionOptions()
    candidates = candidate_options(options, how.candidates)
    pool, fold_of = _folds(examples, splits, options, how)
    some = examples.take(pool, how.views)
    folds = int(fold_of.max(initial=-1)) + 1
    # With one test part there is one selection; else one for each fold, which it leaves out.
    left_out: list[tuple[int, ...]] = [(fold,) for fold in range(folds)]
    if len(splits) > 1:
        left_out = list(combinations(range(folds), 2)) if folds > 2 else []
    scores = np.full((2, len(candidates), len(splits), len(some)), np.nan, np.float32)
    total = len(candidates) * len(left_out)
    for number, candidate in enumerate(candidates):
        for done, folds_out in enumerate(left_out, 1):
            _score(some, fold_of, folds_out, candidate, scores[:, number])
            progress(number * len(left_out) + done, total)
    return _selected(candidates, scores, folds, time.monotonic() - started)


def candidate_options(
    options: TrainOptions, candidates: Sequence[Mapping[str, Any]]
) -> list[TrainOptions]:
    """Return the different candidates that leave alone what differs from the defaults."""
    default = TrainOptions()
    free = [each.name for each in fields(options)]
    free = [name for name in free if getattr(options, name) == getattr(default, name)]
    changes = [{name: value for name, value in each.items() if name in free} for each in candidates]
    # Where hidden layers or a learning rate were asked for, the exact minimum gives neither.
    fixed = {"hidden", "lr"}.difference(free)
    changes = [each for each in changes if not (fixed and each.get("optimizer") == LBFGS)]
    return list(dict.fromkeys(replace(options, **each) for each in changes))


def describe(options: TrainOptions) -> str:
    """Return a candidate in a few words."""
    words = [f"hidden {','.join(map(str, options.hidden))}" if options.hidden else "linear"]
    if options.hidden:
        words.append(f"dropout {options.dropout:g}")
    if options.optimizer != LBFGS:
        words.append(f"lr {options.rate:g}")
    words.append(f"weight decay {options.weight_decay:g}")
    if options.optimizer != ADAMW:
        words.append(options.optimizer)
    if options.label_smoothing:
        words.append(f"label smoothing {options.label_smoothing:g}")
    return ", ".join(words)


def _folds(
    examples: Examples, splits: Sequence[Split], options: TrainOptions, how: SelectionOptions
) -> tuple[Ids, Ids]:
    """Return the images to compare on, and the fold of each; -1 is always trained on."""
    if len(splits) > 1:
        fold_of = np.full(len(examples), -1, np.int64)
        for fold, split in enumerate(splits):
            fold_of[split.test] = fold
        return np.arange(len(examples)), fold_of
    pool = np.sort(np.concatenate([splits[0].train, splits[0].validation]))
    labels = examples.labels[pool]
    pool = pool[balanced_sample(labels, how.images, how.images_each, options.seed)]
    some = examples.take(pool, 1)
    return pool, draw_folds(some.labels, some.groups, how.folds, options.seed)


def _score(
    examples: Examples,
    fold_of: Ids,
    folds_out: tuple[int, ...],
    candidate: TrainOptions,
    scores: Scores,
) -> None:
    """Note the log-loss of each image left out, and whether its answer is right.

    Parameters
    ----------
    scores
        float32 `[2, selections, m]`. Of two folds each is scored for the selection that leaves the
        other one out; a single fold for the only selection.
    """
    split = split_without(
        fold_of,
        folds_out,
        examples.labels,
        examples.groups,
        candidate.validation,
        candidate.seed,
    )
    # A category with no image left to learn from says nothing about a candidate.
    test = split.test[np.isin(examples.labels[split.test], examples.labels[split.train])]
    labels = examples.labels[test]
    log_p = test_answers(examples, split, test, candidate)
    losses = -np.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
    # One that diverged is worse than any other, and comparable.
    losses = np.nan_to_num(losses, nan=WORST, posinf=WORST)
    for fold in folds_out:
        selection = sum(folds_out) - fold if len(folds_out) > 1 else 0
        asked = fold_of[test] == fold
        scores[0, selection, test[asked]] = losses[asked]
        scores[1, selection, test[asked]] = (log_p.argmax(axis=1) == labels)[asked]


def _selected(
    candidates: Sequence[TrainOptions], scores: Scores, folds: int, seconds: float
) -> Selected:
    """Select from scores float32 `[2, candidates, selections, m]`."""
    asked = np.isfinite(scores[0]).any(axis=(0, 1))
    if not asked.any():
        return _too_few(candidates, scores.shape[2], seconds)
    losses, right = scores[..., asked]
    of_splits = [candidates[_first_of_best(part)[0]] for part in losses.swapaxes(0, 1)]
    # For the final head every image counts once, with the mean over the trials that it was
    # left out of.
    pooled, hits = np.nanmean(losses, axis=1), np.nanmean(right, axis=1)
    chosen, behind, errors = _first_of_best(pooled)
    told = [
        Candidate(
            options=describe(each),
            log_loss=float(np.nanmean(pooled[number])),
            accuracy=float(np.nanmean(hits[number])),
            behind=float(behind[number]),
            standard_error=float(errors[number]),
            chosen=number == chosen,
        )
        for number, each in enumerate(candidates)
    ]
    images = int(asked.sum())
    selection = ModelSelection(_reason(told, folds, images), folds, images, told, seconds)
    return Selected(of_splits, candidates[chosen], selection)


def _first_of_best(losses: Floats) -> tuple[int, Floats, Floats]:
    """Return the first candidate within one standard error of the best, by losses `[c, n]`.

    Also by how much the mean loss of each is above the best, and its standard error. The first is
    the best where nothing was measured.
    """
    known = losses[:, np.isfinite(losses).all(axis=0)]
    if not known.size:
        nothing = np.zeros(len(losses), np.float32)
        return 0, nothing, nothing
    above = known - known[np.argmin(known.mean(axis=1))]
    behind = above.mean(axis=1)
    errors = above.std(axis=1) / np.sqrt(max(1, known.shape[1] - 1))
    return int(np.argmax(behind <= errors)), behind, errors


def _reason(told: Sequence[Candidate], folds: int, images: int) -> str:
    """Say in a sentence why a candidate was selected."""
    chosen = next(each for each in told if each.chosen)
    best = min(told, key=lambda each: each.log_loss)
    found = (
        f"{chosen.options}: log-loss {chosen.log_loss:.3f}, accuracy "
        f"{chosen.accuracy:.3f} in {folds} folds of {images} images"
    )
    if best is chosen:
        return f"{found}, the best of {len(told)}"
    return (
        f"{found}, the simplest of {len(told)} within one standard error of the best "
        f"({best.options}, {best.log_loss:.3f})"
    )


def _too_few(candidates: Sequence[TrainOptions], selections: int, seconds: float) -> Selected:
    """Select the simplest candidate, because there is nothing to compare on."""
    reason = f"{describe(candidates[0])}: the simplest, because the images are too few to compare"
    told = ModelSelection(reason, 0, 0, [], seconds)
    return Selected([candidates[0]] * selections, candidates[0], told)
