"""What the verbs of the engine return that learn, compare and report on what was learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.heads.results import Prediction
from engine.skipped import Skipped

# A note on trainings.
DIVERGED = (
    "the loss was NaN, so training stopped and kept the best layers until then; "
    "a smaller --learning-rate helps"
)


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """How well one label is recognised."""

    images: int
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `Engine.evaluate` measured.

    `classifier` says who answered: a head, the joint distribution, or the nearest neighbours.
    `confusion[label][category]` counts pictures. `precision_at_k` and `map` come from searching
    the data set with each of its own pictures, itself and its copies left out: of those that could
    be among the first k, how many are. They are NaN where no picture has another of its label.
    `copies` is how many pictures are copies of others in the data set, exact or nearly so; nearest
    neighbours that answer are no copies of what is asked about, either.

    A picture counts by its likeliest category, in all figures alike, `unknown` or not; `unknown`
    is how many are.

    `learned` is how many of the pictures the heads that answered, or the fine-tuned backbone that
    they see with, have learned from: by content, and copies of what the store still knows. It is
    None where one of them, of an older release, does not know. `accuracy_without_learned` is the
    accuracy on the others, NaN where there are none or it is not known which they are.

    `balanced_accuracy` is the mean recall of the labels, `majority_baseline` the accuracy of always
    answering the most frequent one. `notes` say how the folders were read,
    `unused_labels` are rows of the table of labels that no picture could use.
    """

    images: int
    classifier: str
    accuracy: float
    balanced_accuracy: float
    majority_baseline: float
    learned: int | None
    accuracy_without_learned: float
    per_category: Mapping[str, CategoryScore]
    confusion: Mapping[str, Mapping[str, int]]
    precision_at_1: float
    precision_at_10: float
    map: float
    copies: int
    unknown: int
    skipped: Sequence[Skipped]
    unused_labels: Sequence[Skipped] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Suspect:
    """A picture and what was made of its label by layers that had not seen it.

    `suggestion` is the likeliest other category, `margin` by how much its probability is above
    that of the label, -1 to 1. The label is doubted where it is above 0. `id` is the image's number
    in the catalog; None where the picture is not in it.
    """

    path: str
    label: str
    suggestion: str
    margin: float
    probability: float
    suggestion_probability: float
    id: int | None = None


@dataclass(frozen=True, slots=True)
class SuspectReport:
    """What `Engine.suspects` found; iterating over it gives the pictures, by falling margin.

    `doubted` is how many labels of `images` are doubted, listed or not. `left_out` pictures could
    not be judged: of their category nothing else is there to learn from.
    """

    images: int
    doubted: int
    left_out: int
    suspects: Sequence[Suspect]
    skipped: Sequence[Skipped] = ()
    notes: Sequence[str] = ()

    def __iter__(self) -> Iterator[Suspect]:
        return iter(self.suspects)

    def __len__(self) -> int:
        return len(self.suspects)


@dataclass(frozen=True, slots=True)
class TrainSeconds:
    """Where the time of a training went."""

    embed: float
    fit: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """Options for a training, and how it did on images that had served for nothing in it.

    `behind` is how much its log-loss is above the best one's, on average over images, and
    `standard_error` that of `behind`. The scores are those that one was selected by: what is
    reported of the head is measured on other images.
    """

    options: str
    log_loss: float
    accuracy: float
    behind: float
    standard_error: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class ModelSelection:
    """Which candidates were compared, in how many folds of how many images, and why one won.

    `left_out` are candidates that there was no time for.
    """

    reason: str
    folds: int
    images: int
    candidates: Sequence[Candidate]
    seconds: float
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What `Engine.train` made.

    `validation_accuracy` is the accuracy on `test_images` images that had served for nothing: not
    to fit, stop, calibrate or select what answered for them. (It keeps its name from the first
    release, where they had.) Where images are few it is cross-fitted in `folds` folds: each image
    is tested once, by a trial that had not seen it. `folds` is 1 where one part was set aside for
    the test. The final head has learned from all images. `balanced_accuracy` is the mean recall of
    the categories, `majority_baseline` the accuracy of always answering the most frequent one. All
    three are NaN where no image could be tested.

    `embedded` is how many images had to be opened; `background` how many images of the catalog
    were learned from as belonging to no category, `unlabelled` how many without a label as showing
    one, as far as they look alike; `history` is one row per epoch of a trial;
    `selection` is set where models were selected.
    """

    head: str
    categories: Sequence[str]
    images: int
    embedded: int
    test_images: int
    folds: int
    validation_accuracy: float
    balanced_accuracy: float
    majority_baseline: float
    temperature: float
    background: int
    seconds: TrainSeconds
    skipped: Sequence[Skipped]
    history: Sequence[Mapping[str, float]] = field(default_factory=list)
    selection: ModelSelection | None = None
    notes: Sequence[str] = ()
    unlabelled: int = 0


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
    """What `Engine.compare` measured; `rounds` is how many splits every method had.

    `notes` say what should be known of the data set.
    """

    images: int
    categories: Sequence[str]
    rounds: int
    methods: Sequence[ComparedMethod]
    seconds: float
    skipped: Sequence[Skipped]
    notes: Sequence[str] = ()


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
class AnsweredImage:
    """A test image, what it shows, and what the head answered, best first."""

    path: str
    label: str
    predictions: Sequence[Prediction]


@dataclass(frozen=True, slots=True)
class HeadReport:
    """What `Engine.report` knows about a head: how it came to be, and how good it is.

    What is measured was measured on `test_images` images. With `honest` they had served for nothing
    else: `folds` says how many trials answered, each for the images of one fold that it had not
    seen; 1 for one test part. Heads of older releases are not `honest`: their figures are of images
    that had also stopped the training and fitted temperature and threshold.

    Each image counts by its likeliest category, in `accuracy`, `balanced_accuracy`, `per_category`
    and `confusion` alike, though the head takes `unknown` of them for none of its own. Heads of
    older releases do not hold the likeliest category of these: there they count as wrong, in all
    figures alike. `majority_baseline` is the accuracy of always answering the most frequent
    category.

    `confusion[i][j]` counts images that show category `i` and whose likeliest is category `j`; the
    last column those whose likeliest is not known. `unknown_per_category` counts the unknown ones
    by what they show. Precision is NaN where a category was never the answer, recall where none of
    its images was tested. The bins of `calibration_before` are without the temperature, those of
    `calibration_after` with it. `learned` counts the images that each category was learned from,
    `metrics` are the figures of the training (`validation_accuracy` is the accuracy on test images,
    see `TrainReport`), `settings` its options. `missing` says what the head holds no record of, and
    why.
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
    test_images: int
    folds: int
    honest: bool
    accuracy: float
    balanced_accuracy: float
    majority_baseline: float
    unknown: int
    unknown_per_category: Mapping[str, int]
    per_category: Mapping[str, CategoryScore]
    confusion: Sequence[Sequence[int]]
    calibration_before: Sequence[CalibrationBin]
    calibration_after: Sequence[CalibrationBin]
    mistakes: Sequence[AnsweredImage]
    shown: Sequence[AnsweredImage]
    missing: Sequence[str]
