"""A trial: a head fitted to the train part of a split, and calibrated by the validation part.

Nothing here reads the test part, so the head's answers on it can be reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from engine.heads.classifier import BuiltIn, belonging
from engine.heads.fitting.background import Prototypes
from engine.heads.fitting.calibration import MOST_ASKED, calibrate, fit_temperature
from engine.heads.fitting.fit import Fitted, fit_layers
from engine.heads.fitting.gate import gate_of
from engine.heads.fitting.rows import Rows, balanced_sample, embedding_scale
from engine.heads.head import Dense, Head, layer_logits
from engine.heads.numerics import log_softmax
from engine.heads.options import LBFGS, TrainOptions
from engine.learning.data.examples import Examples
from engine.learning.data.propagation import claimed
from engine.learning.data.refused import Refused
from engine.learning.data.split import Split
from index.records import CatalogIdentity, Floats, Ids

# Images without a label whose claim is doubted count so much: images of a category, to this power.
DOUBTED = -2.0
# From so many images of a category on, more doubt than this share, of what chance would give, ends
# it: where claims helped it was 0.09 at most, where they did not 0.18 at least (docs/heads.md).
KNOWING, CONTRADICTED = 3, 0.14

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What gates are fitted to.

    Attributes
    ----------
    rows, rows_each
        At most so many rows, which stand for all; but so many of each category.
    """

    rows: int = 10_000
    rows_each: int = 20


@dataclass(frozen=True, slots=True)
class Trial:
    """A head, and how it came to be.

    Attributes
    ----------
    split
        What it learned from.
    head
        With the temperature and threshold of its validation images.
    fitted
        Its layers, with their epochs and history.
    log_probability
        float32 `[v, k]`, of the validation images, without temperature.
    share
        float32 `[v]`, of the joint distribution that falls to the head on each validation image.
    """

    split: Split
    head: Head
    fitted: Fitted
    log_probability: Floats
    share: Floats


def new_head(name: str, identity: CatalogIdentity, examples: Examples) -> Head:
    """Return a head that has learned nothing yet."""
    dim = examples.vectors.unit.shape[1]
    outputs = len(examples.categories)
    nothing = Dense(np.zeros((outputs, dim), np.float32), np.zeros(outputs, np.float32))
    return Head(
        name=name,
        categories=examples.categories,
        backbone=identity.backbone,
        fingerprint=identity.fingerprint,
        layers=(nothing,),
        scale=embedding_scale(dim),
        temperature=1.0,
        gate=nothing,
        accept=MOST_ASKED,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def run_trial(
    head: Head,
    examples: Examples,
    split: Split,
    gate: Dense,
    built_in: BuiltIn,
    options: TrainOptions,
    progress: Progress = lambda done, total: None,
) -> Trial:
    """Fit and calibrate a head.

    Parameters
    ----------
    head
        A new one.
    gate
        Fitted to the train part of the same split.
    """
    fitted = fit_split(examples, split, options, progress)
    head = replace(head, layers=fitted.layers, gate=gate, activation=options.activation)
    vectors = examples.vectors[examples.originals[split.validation]]
    log_probability = head.log_probabilities(vectors)
    share = belonging(head, built_in, vectors)
    temperature, accept = calibrate(log_probability, examples.labels[split.validation], share)
    head = replace(head, temperature=temperature, accept=accept)
    return Trial(split, head, fitted, log_probability, share)


def fit_split(
    examples: Examples,
    split: Split,
    options: TrainOptions,
    progress: Progress = lambda done, total: None,
) -> Fitted:
    """Fit layers to the train part of a split, stopped by its validation part."""
    # Only images as they are stop a training: a view of them is no image that will be asked about.
    validation = layer_rows(examples, examples.originals[split.validation])
    return fit_layers(
        train_rows(examples, split.train, options),
        len(examples.categories),
        options,
        validation=validation if len(split.validation) else None,
        progress=progress,
    )


def layer_rows(examples: Examples, rows: Ids | None = None) -> Rows:
    """Return what layers learn from: these rows, or all."""
    scale = embedding_scale(examples.vectors.unit.shape[1])
    return Rows(examples.vectors.unit, examples.row_labels, rows, scale)


def train_rows(examples: Examples, images: Ids, options: TrainOptions) -> Rows:
    """Return what layers are fitted to: views of these images, and what these claim around them.

    Images without a label count as far as they are claimed with confidence, and less where layers
    that learned from the labelled ones alone take them for something else: of several images of a
    category these know much, of a single one hardly more than its neighbours do. A labelled image
    counts as 1 in all of its views together. Where these layers contradict too much of what is
    claimed, the surroundings are no guide (one kind against a mixture of all others), and nothing
    counts but the labelled ones.
    """
    chosen = examples.rows_of(images, options.views)
    rows = layer_rows(examples, chosen)
    around, outputs = examples.around, len(examples.categories)
    if around is None or options.optimizer != LBFGS:
        return rows
    unit, labels = examples.vectors.unit, examples.labels
    found = claimed(around, unit[examples.originals], labels, images, outputs)
    vectors = around.vectors[found.images]
    (layer,) = fit_layers(rows, outputs, options).layers
    doubted = layer(vectors.unit * np.float32(rows.scale)).argmax(axis=1) != found.labels
    each = max(1.0, len(images) / len(np.unique(labels[images])))
    if each >= KNOWING and _share(found.confidence, doubted) > CONTRADICTED * (1 - 1 / outputs):
        return rows
    views = np.bincount(examples.image[chosen], minlength=len(examples))[examples.image[chosen]]
    return Rows(
        np.concatenate([unit[chosen], vectors.unit]),
        np.concatenate([examples.row_labels[chosen], found.labels]),
        scale=rows.scale,
        weights=np.concatenate(
            [1 / views, found.confidence * np.where(doubted, each**DOUBTED, 1)]
        ).astype(np.float32),
    )


def _share(weights: Floats, mask: npt.NDArray[np.bool_]) -> float:
    """Return the share of weights that a mask has, 0 of none."""
    return float(weights[mask].sum() / max(float(weights.sum()), 1e-12))


def unlabelled_rows(examples: Examples, options: TrainOptions) -> int:
    """Return how many images without a label the final layers learned from."""
    everything = np.arange(len(examples))
    rows = train_rows(examples, everything, options)
    return 0 if rows.weights is None else len(rows.values) - len(examples.image)


def log_probabilities(
    examples: Examples, images: Ids, fitted: Fitted, options: TrainOptions
) -> Floats:
    """Return what layers say of images, without temperature, float32 `[n, k]`."""
    vectors = examples.vectors[examples.originals[images]]
    scale = embedding_scale(vectors.unit.shape[1])
    return log_softmax(layer_logits(fitted.layers, options.activation, vectors, scale))


def test_answers(
    examples: Examples,
    split: Split,
    images: Ids,
    options: TrainOptions,
    progress: Progress = lambda done, total: None,
) -> Floats:
    """Fit layers to the train part of a split, and ask them about images that it holds out.

    Layers and temperature are as in `run_trial`; a gate is not needed to tell the categories of
    the examples from each other.

    Parameters
    ----------
    images
        int64 `[n]`, none of them in the train or validation part.

    Returns
    -------
    Floats
        Log-probabilities, float32 `[n, k]`.
    """
    fitted = fit_split(examples, split, options, progress)
    validation = log_probabilities(examples, split.validation, fitted, options)
    temperature = fit_temperature(validation, examples.labels[split.validation])
    logits = log_probabilities(examples, images, fitted, options)
    return log_softmax(logits / np.float32(temperature))


def gate_rows(examples: Examples, images: Ids, how: GateOptions, seed: int) -> Ids:
    """Return the rows of these images, or as many of them as a gate needs, int64, ascending."""
    rows = examples.rows_of(images)
    return rows[balanced_sample(examples.row_labels[rows], how.rows, how.rows_each, seed)]


def trial_gate(
    examples: Examples,
    split: Split,
    prototypes: Prototypes,
    built_in: BuiltIn,
    how: GateOptions,
    seed: int,
    refused: Refused | None = None,
    after: Callable[[], None] = lambda: None,
) -> Dense:
    """Fit a gate to the train part of a split, against prototypes around it.

    Parameters
    ----------
    refused
        The train part of the images that show none of the categories.
    after
        Is called after each iteration.
    """
    rows = gate_rows(examples, split.train, how, seed)
    positives, labels = examples.vectors[rows], examples.row_labels[rows]
    made_up = prototypes.draw(positives, seed)
    outputs = len(examples.categories)
    barred = None if refused is None else refused.bars
    return gate_of(positives, labels, outputs, made_up, built_in, barred=barred, after=after)
