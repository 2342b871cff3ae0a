"""From embeddings of labelled pictures to a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from engine.heads.background import background_logits, prototypes, suspects
from engine.heads.classifier import CONVINCING, BuiltIn, Classifier, belonging
from engine.heads.epochs import History
from engine.heads.fit import Fitted, fit_layers, one_thread_for_small
from engine.heads.head import Dense, Head
from engine.heads.lbfgs import fit_gate
from engine.heads.numerics import log_sum_exp, softmax
from engine.heads.options import TrainOptions
from engine.heads.record import HeldOut, Learned, Record, held_out_record
from engine.heads.rows import Rows, balanced_sample
from engine.heads.sampling import stratified_split
from engine.heads.temperature import expected_calibration_error, fit_temperature
from engine.learning.examples import Examples
from index.records import Floats, Ids, Vectors

# A head's own answer is unknown when less of the joint distribution falls to it than falls to
# all but this share of held-out pictures, or less than half where those are surer than that.
REJECTED = 0.02
MOST_ASKED = 0.5
# A tenth of a percent is told apart with so many; more would only take longer to ask.
MOST_HELD_OUT = 10_000
# Gates are fitted to at most this many rows, which stand for all; but to so many of each category.
GATE_ROWS, GATE_ROWS_EACH = 10_000, 20


@dataclass(frozen=True, slots=True)
class Trained:
    """A head, and how it came to be; `diverged` says that training had to stop early."""

    head: Head
    history: History
    validation_images: int
    background: int
    diverged: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """What the head will be called and whose embeddings it is for."""

    name: str
    backbone: str
    fingerprint: str


def train_head(
    origin: Origin,
    examples: Examples,
    catalog: Vectors,
    built_in: BuiltIn,
    options: TrainOptions,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Trained:
    """Train layers and gate.

    A fifth of the pictures is held out to stop in time, to calibrate and to measure. What was
    learned about *how* to train then serves to train on all of them.

    Parameters
    ----------
    examples
        What to learn.
    catalog
        Background: embeddings of other pictures, which may secretly show the new categories.
    """
    with one_thread_for_small(
        len(examples.row_labels) + len(catalog), examples.vectors.unit.shape[1]
    ):
        return _train(origin, examples, catalog, built_in, options, progress)


def layer_rows(examples: Examples) -> Rows:
    """Return what layers learn from: unit embeddings, their numbers about as large in any dim."""
    scale = float(np.sqrt(examples.vectors.unit.shape[1]) / 4)
    return Rows(examples.vectors.unit, examples.row_labels, scale=scale)


def _train(
    origin: Origin,
    examples: Examples,
    catalog: Vectors,
    built_in: BuiltIn,
    options: TrainOptions,
    progress: Callable[[int, int], None],
) -> Trained:
    options = options.scaled(len(examples.row_labels))
    kept, held = _split(examples, options)
    outputs = len(examples.categories)
    rows = layer_rows(examples)
    scale = rows.scale
    trial = fit_layers(
        replace(rows, chosen=kept),
        outputs,
        options,
        validation=replace(rows, chosen=held) if len(held) else None,
        progress=progress,
    )
    final = fit_layers(rows, outputs, options, epochs=trial.epochs)
    some = _some(examples, np.arange(len(examples.row_labels)), options)
    made_up = prototypes(some.vectors, built_in, options.seed)
    trial_gate = _gate(_some(examples, kept, options), made_up, built_in)
    suspect = suspects(catalog, some.vectors, trial_gate, built_in)
    background = Vectors.concatenate([made_up, catalog[~suspect]])
    gate = _gate(some, background, built_in, start=trial_gate)
    tested = replace(
        _head(origin, examples, trial, trial_gate, scale), activation=options.activation
    )
    measured = _measure(tested, examples, held, built_in)
    facts = measured.temperature, measured.accept, measured.metrics
    head = replace(
        _head(origin, examples, final, gate, scale, *facts),
        activation=options.activation,
        history=tuple(trial.history),
        record=Record(held_out=measured.held_out, learned=_learned(examples)),
    )
    others = prototypes(some.vectors, built_in, options.seed + 1)
    head = replace(head, metrics={**head.metrics, **_forgetting(head, others, catalog, built_in)})
    diverged = trial.diverged or final.diverged
    return Trained(head, trial.history, len(held), int((~suspect).sum()), diverged)


def _split(examples: Examples, options: TrainOptions) -> tuple[Ids, Ids]:
    """Return which rows to train on, and which to hold out (only pictures themselves)."""
    labels = examples.labels
    share = min(options.validation, MOST_HELD_OUT / len(labels))
    kept, held = stratified_split(labels.tolist(), share, options.seed)
    return (
        np.flatnonzero(np.isin(examples.image, kept)),
        np.flatnonzero(np.isin(examples.image, held) & (examples.view == 0)),
    )


def _some(examples: Examples, rows: Ids, options: TrainOptions) -> Examples:
    """Return these rows, or as many of them as a gate needs."""
    labels = examples.row_labels[rows]
    rows = rows[balanced_sample(labels, GATE_ROWS, GATE_ROWS_EACH, options.seed)]
    if len(rows) == len(examples.row_labels):
        return examples
    return replace(
        examples,
        vectors=examples.vectors[rows],
        image=examples.image[rows],
        view=examples.view[rows],
    )


def _gate(
    examples: Examples, background: Vectors, built_in: BuiltIn, start: Dense | None = None
) -> Dense:
    positives = examples.vectors
    frozen = (
        log_sum_exp(built_in.logits(positives)),
        background_logits(background, built_in),
    )
    rows = Rows(positives.raw, examples.row_labels)
    return fit_gate(rows, len(examples.categories), background.raw, frozen, start)


def _head(
    origin: Origin,
    examples: Examples,
    fitted: Fitted,
    gate: Dense,
    scale: float,
    temperature: float = 1.0,
    accept: float = MOST_ASKED,
    metrics: dict[str, float] | None = None,
) -> Head:
    return Head(
        name=origin.name,
        categories=examples.categories,
        backbone=origin.backbone,
        fingerprint=origin.fingerprint,
        layers=fitted.layers,
        scale=scale,
        temperature=temperature,
        gate=gate,
        accept=accept,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        metrics=metrics or {},
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """What pictures that the head has not seen are good for."""

    temperature: float
    accept: float
    metrics: dict[str, float]
    held_out: HeldOut | None = None


def _measure(head: Head, examples: Examples, held: Ids, built_in: BuiltIn) -> _Measured:
    vectors, labels = examples.vectors[held], examples.row_labels[held]
    metrics = {"images": float(len(examples)), "validation_images": float(len(labels))}
    if not len(labels):
        return _Measured(1.0, MOST_ASKED, metrics | {"validation_accuracy": float("nan")})
    logits: Floats = head.log_probabilities(vectors)
    temperature = fit_temperature(logits, labels)
    share = belonging(head, built_in, vectors)
    accept = min(MOST_ASKED, float(np.quantile(share, REJECTED)))
    paths = [examples.paths[place] for place in examples.image[held]] if examples.paths else []
    among_all = Classifier(built_in, [head]).joint(vectors).probability.argmax(axis=1)
    metrics |= {
        "validation_accuracy": float((logits.argmax(axis=1) == labels).mean()),
        "joint_accuracy": float((among_all - len(built_in.categories) == labels).mean()),
        "calibration_error_before": expected_calibration_error(np.exp(logits), labels),
        "calibration_error": expected_calibration_error(
            softmax(logits / np.float32(temperature)), labels
        ),
    }
    held_out = held_out_record(
        examples.categories, logits, temperature, share < accept, labels, paths
    )
    return _Measured(temperature, accept, metrics, held_out)


def _forgetting(
    head: Head, stand_ins: Vectors, catalog: Vectors, built_in: BuiltIn
) -> dict[str, float]:
    """Return what the built-in categories lose of what they are sure of.

    Stand-ins are made up like those that the gate was trained on, but are not the same. What
    falls to the head of the catalog may rightly do so: nobody has said what these images show.
    """
    found: dict[str, float] = {}
    for name, vectors in (("built_in", stand_ins), ("catalog", catalog)):
        logits = built_in.logits(vectors)
        sure = softmax(logits).max(axis=1) >= CONVINCING
        if sure.any():
            taken = head.joint_logits(vectors[sure]).max(axis=1) > logits[sure].max(axis=1)
            found |= {
                f"sure_of_{name}": float(sure.sum()),
                f"taken_from_{name}": float(taken.mean()),
            }
    return found


def _learned(examples: Examples) -> Learned | None:
    if not examples.hashes:
        return None
    labels = examples.labels
    return Learned.of(examples.hashes, labels, examples.views, examples.paths)
