"""Choosing how to train a head, by cross-validation on embeddings that are there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from engine.heads.fit import fit_layers, one_thread_for_small
from engine.heads.head import Dense
from engine.heads.numerics import ACTIVATIONS, log_softmax
from engine.heads.options import ADAMW, LBFGS, TrainOptions
from engine.heads.rows import Rows, balanced_sample
from engine.heads.temperature import fit_temperature
from index.records import Floats, Ids

FOLDS = 5
# So many rows tell two ways of training apart; more would only take longer to ask.
MOST_ROWS, FEWEST_EACH = 4000, 20
# What is tried, the simplest first: among those that do about equally well the first is taken.
CANDIDATES: tuple[Mapping[str, Any], ...] = (
    {"hidden": (), "optimizer": LBFGS, "weight_decay": 1.0},
    {"hidden": (), "optimizer": LBFGS, "weight_decay": 10.0},
    {"hidden": (), "optimizer": LBFGS, "weight_decay": 1.0, "label_smoothing": 0.1},
    {"hidden": (), "weight_decay": 0.05},
    {"hidden": (256,), "dropout": 0.3},
    {"hidden": (256,), "dropout": 0.6, "label_smoothing": 0.1},
)
# Of each picture; more make all ways better and take longer, but seldom make another one best.
VIEWS = 2


@dataclass(frozen=True, slots=True)
class Tried:
    """A way of training, and how it did on pictures it had not seen.

    Attributes
    ----------
    options
        The way.
    log_loss
        Minus the logarithm of the right category's probability, after calibration, on average.
    accuracy
        Share of pictures whose category came first.
    behind
        By how much its log-loss is above the best one's, on average over pictures.
    uncertain
        The standard error of `behind`.
    """

    options: TrainOptions
    log_loss: float
    accuracy: float
    behind: float = 0.0
    uncertain: float = 0.0


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was tried, and what was chosen."""

    chosen: Tried
    tried: tuple[Tried, ...]
    folds: int
    images: int

    @property
    def reason(self) -> str:
        """Say in a sentence why."""
        best = min(self.tried, key=lambda each: each.log_loss)
        found = (
            f"{describe(self.chosen.options)}: log-loss {self.chosen.log_loss:.3f}, accuracy "
            f"{self.chosen.accuracy:.3f} in {self.folds} folds of {self.images} pictures"
        )
        if best is self.chosen:
            return f"{found}, the best of {len(self.tried)}"
        return (
            f"{found}, the simplest of {len(self.tried)} within one standard error of the best "
            f"({describe(best.options)}, {best.log_loss:.3f})"
        )


def describe(options: TrainOptions) -> str:
    """Return a way of training in a few words."""
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


def tune(
    rows: Rows,
    images: Ids,
    original: Ids,
    outputs: int,
    options: TrainOptions,
    candidates: Sequence[Mapping[str, Any]] = CANDIDATES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tuned:
    """Try ways of training on parts of the pictures, and choose one.

    Every picture is held out once, all its views with it. Ways are compared by log-loss, which
    tells more than accuracy where most answers are right, picture by picture. Of those within one
    standard error of the best the simplest is chosen (Breiman et al., "Classification and
    Regression Trees", 1984, section 3.4.3).

    Parameters
    ----------
    rows
        Embeddings of views.
    pictures
        int64 `[n]`, which picture each row is a view of.
    original
        int64 `[m]`, the rows that are pictures themselves: only these are asked about.
    outputs
        How many categories there are.
    options
        What every candidate is a change of. What differs from the defaults was somebody's wish,
        and stays.
    candidates
        Changes, the simplest way first.
    """
    ways = _ways(options, candidates)
    few = _first_views(images)
    original = original[balanced_sample(rows.labels[original], MOST_ROWS, FEWEST_EACH, 0)]
    fold_of = _folds(rows.labels[original], options.seed)
    folds = int(fold_of.max()) + 1
    total, done = folds * len(ways), 0
    tried: list[Tried] = []
    losses: list[Floats] = []
    with one_thread_for_small(len(rows.labels), rows.values.shape[1]):
        for way in ways:
            logits = np.empty((len(original), outputs), np.float32)
            for fold in range(folds):
                held = original[fold_of == fold]
                kept = few[np.isin(images[few], images[original[fold_of != fold]])]
                logits[fold_of == fold] = _answers(rows, kept, held, outputs, way)
                done += 1
                progress(done, total)
            one, loss = _measured(way, logits, rows.labels[original])
            tried.append(one)
            losses.append(loss)
    best = losses[int(np.argmin([each.log_loss for each in tried]))]
    compared = tuple(
        replace(
            each,
            behind=float((loss - best).mean()),
            uncertain=float((loss - best).std() / np.sqrt(max(1, len(loss) - 1))),
        )
        for each, loss in zip(tried, losses, strict=True)
    )
    chosen = next(each for each in compared if each.behind <= each.uncertain)
    return Tuned(chosen, compared, folds, len(original))


def _ways(options: TrainOptions, candidates: Sequence[Mapping[str, Any]]) -> list[TrainOptions]:
    """Return the different ways that leave alone what differs from the defaults."""
    default = TrainOptions()
    free = [each.name for each in fields(options)]
    free = [name for name in free if getattr(options, name) == getattr(default, name)]
    changes = [{name: value for name, value in each.items() if name in free} for each in candidates]
    # Where hidden layers or a step size were asked for, the exact minimum is no way to get them.
    fixed = {"hidden", "lr"}.difference(free)
    changes = [each for each in changes if not (fixed and each.get("optimizer") == LBFGS)]
    return list(dict.fromkeys(replace(options, **each) for each in changes))


def _folds(labels: Ids, seed: int) -> Ids:
    """Return the fold of each picture, int64 `[n]`; each category is spread over all of them."""
    counts = np.bincount(labels)
    folds = int(max(2, min(FOLDS, counts[counts > 0].min())))
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(labels), np.int64)
    for category in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == category))
        fold_of[places] = np.arange(len(places)) % folds
    return fold_of


def _first_views(images: Ids) -> Ids:
    """Return the rows that are among the first views of their pictures, int64 `[m]`."""
    order = np.argsort(images, kind="stable")
    counted = np.arange(len(order)) - np.searchsorted(images[order], images[order])
    return np.sort(order[counted < VIEWS])


def _answers(rows: Rows, kept: Ids, held: Ids, outputs: int, options: TrainOptions) -> Floats:
    """Return the logits of pictures that were held out, `[m, outputs]`."""
    fitted = fit_layers(
        replace(rows, chosen=kept),
        outputs,
        options.scaled(len(kept)),
        validation=replace(rows, chosen=held),
    )
    return _logits(fitted.layers, rows.values[held] * np.float32(rows.scale), options)


def _logits(layers: Sequence[Dense], values: Floats, options: TrainOptions) -> Floats:
    first, *others = layers
    values = first(values)
    for layer in others:
        values = layer(ACTIVATIONS[options.activation](values))
    return values


def _measured(options: TrainOptions, logits: Floats, labels: Ids) -> tuple[Tried, Floats]:
    temperature = np.float32(fit_temperature(logits, labels))
    log_p = log_softmax(logits / temperature)
    loss: Floats = -np.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    return Tried(options, float(loss.mean()), accuracy), loss
