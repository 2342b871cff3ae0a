"""What the verbs of the engine return that learn, compare and report on what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.results import CategoryScore, Prediction, Skipped

# A note on trainings.
DIVERGED = (
    "the loss was no number any more, so training stopped and kept the best layers until then; "
    "a smaller --learning-rate helps"
)


@dataclass(frozen=True, slots=True)
class TrainSeconds:
    """Where the time of a training went."""

    embed: float
    fit: float


@dataclass(frozen=True, slots=True)
class TriedTraining:
    """A way of training, and how it did on pictures that were held out in turn.

    `behind` is how much its log-loss is above the best one's, `uncertain` the standard error.
    """

    way: str
    log_loss: float
    accuracy: float
    behind: float
    uncertain: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Tuning:
    """Which ways of training were compared, and why one was chosen."""

    reason: str
    folds: int
    images: int
    tried: Sequence[TriedTraining]
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What `Engine.train` made.

    `embedded` is how many pictures had to be opened; `history` is one row per epoch; `tuning` is
    set where ways of training were compared first.
    """

    head: str
    categories: Sequence[str]
    images: int
    embedded: int
    validation_images: int
    validation_accuracy: float
    temperature: float
    background: int
    seconds: TrainSeconds
    skipped: Sequence[Skipped]
    history: Sequence[Mapping[str, float]] = field(default_factory=list)
    tuning: Tuning | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FinetuneReport:
    """What `Engine.finetune` made: a backbone of its own fingerprint.

    `validation_images` chose the epoch; accuracies were measured on `test_images` others, which
    took no part in anything. `validation_accuracy_before` is that of a linear layer on the
    untouched embeddings. `interrupted` says that Ctrl-C ended the training early.
    """

    backbone: str
    base: str
    fingerprint: str
    block: str
    trained_parameters: int
    categories: Sequence[str]
    images: int
    validation_images: int
    test_images: int
    validation_accuracy_before: float
    validation_accuracy: float
    epochs: int
    best_epoch: int
    interrupted: bool
    seconds_embed: float
    seconds_train: float
    history: Sequence[Mapping[str, float]]
    skipped: Sequence[Skipped]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ComparedMethod:
    """A way of learning: accuracy on test pictures, mean and standard deviation over splits.

    Test images took no part in anything but that. `train_seconds` is the mean of a training;
    `embed_seconds` what embedding all images took once, 0 where nothing is embedded; `history`
    that of the first split, with the validation of each epoch.
    """

    name: str
    kind: str
    accuracy: float
    spread: float
    accuracies: Sequence[float]
    train_seconds: float
    embed_seconds: float
    trained_parameters: int
    history: Sequence[Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `Engine.compare` measured; `rounds` is how many splits every method had."""

    images: int
    categories: Sequence[str]
    rounds: int
    methods: Sequence[ComparedMethod]
    seconds: float
    skipped: Sequence[Skipped]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Answers whose confidence is `low` to `high`: how sure they were, how often they were right.

    `confidence` and `accuracy` are means over `images`, NaN where there are none.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class HeldOutImage:
    """A picture that was held out, what it shows, and what the head made of it, best first."""

    path: str
    label: str
    predictions: Sequence[Prediction]


@dataclass(frozen=True, slots=True)
class HeadReport:
    """What `Engine.report` knows about a head: how it came to be, and how good it is.

    Everything measured was measured on pictures that were held out, `held_out` of them, `unknown`
    of which the head took for none of its own. `confusion[i][j]` counts those that show category
    `i` and were taken for category `j`; the last column is `unknown`. Precision is NaN where a
    category was never the answer, recall where none of its pictures was held out. The bins of
    `calibration_before` are without the temperature, those of `calibration_after` with it; both
    are of the pictures that were not taken for unknown. `learned` counts the pictures that each
    category was learned from, `metrics` are those of the training, `settings` its options.
    `missing` says what the head holds no record of, and why.
    """

    head: str
    categories: Sequence[str]
    backbone: str
    fingerprint: str
    created_at: str
    data: str
    layers: Sequence[int]
    accept: float
    temperature: float
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, float]]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    learned: Mapping[str, int]
    held_out: int
    unknown: int
    per_category: Mapping[str, CategoryScore]
    confusion: Sequence[Sequence[int]]
    calibration_before: Sequence[CalibrationBin]
    calibration_after: Sequence[CalibrationBin]
    mistakes: Sequence[HeldOutImage]
    shown: Sequence[HeldOutImage]
    missing: Sequence[str]
