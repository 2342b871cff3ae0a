"""What a head can do, measured on test images: by trials that had not seen them.

The figures are of the way the head was trained. The head itself learned from all images, so it is
at least as good as the trials, each of which learned from a part of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.heads.classifier import CONVINCING, BuiltIn, belonging
from engine.heads.head import Head
from engine.heads.numerics import softmax
from engine.heads.record import UNKNOWN, AnsweredImage, Answers
from engine.learning.data.examples import Examples
from engine.learning.data.refused import RefusedFolds
from engine.learning.metrics import (
    accuracy,
    balanced_accuracy,
    calibration_bins,
    calibration_error,
    majority_baseline,
)
from engine.learning.trial import Trial
from index.records import Floats, Ids, Vectors

# Told in full: so many of the most confident mistakes, and so many images beside their bars.
MISTAKES, SHOWN, TOP = 24, 6, 5


def measure(
    trials: Sequence[Trial], examples: Examples, built_in: BuiltIn
) -> tuple[Answers | None, dict[str, float]]:
    """Ask each trial about the test images of its split.

    Returns
    -------
    answers
        On all test images, in order of the images; None where there are none.
    metrics
        `test_images`, `validation_accuracy`, `balanced_accuracy`, `majority_baseline`,
        `joint_accuracy` (the category wins against the built-in thousand, too),
        `calibration_error` with the temperature and `calibration_error_before` it.
    """
    tested = np.concatenate([trial.split.test for trial in trials])
    if not len(tested):
        return None, {"test_images": 0.0}
    order = np.argsort(tested)
    asked = [_ask(trial, examples, built_in) for trial in trials]
    # In order of the images, so that what is shown does not depend on the folds.
    before, after, rejected, joint = (
        np.concatenate(parts)[order] for parts in zip(*asked, strict=True)
    )
    images = tested[order]
    labels, best = examples.labels[images], after.argmax(axis=1)
    right = best == labels
    paths = [examples.paths[at] for at in images.tolist()]
    metrics = {
        "test_images": float(len(images)),
        "validation_accuracy": accuracy(labels, best),
        "balanced_accuracy": balanced_accuracy(labels, best),
        "majority_baseline": majority_baseline(labels),
        "joint_accuracy": accuracy(labels, joint),
        "calibration_error_before": calibration_error(calibration_bins(before, right)),
        "calibration_error": calibration_error(calibration_bins(after.max(axis=1), right)),
    }
    answers = answers_on(examples.categories, after, before, rejected, labels, paths)
    return answers, metrics


def label_probabilities(trials: Sequence[Trial], examples: Examples) -> Floats:
    """Return what trials give the labels of their test images, float32 `[n]`, ascending.

    Of copies the first image counts: the others say nothing new.
    """
    found = []
    for trial in trials:
        test = trial.split.test
        test = test[examples.groups[test] == test]
        log_p = trial.head.log_probabilities(examples.vectors[examples.originals[test]])
        found.append(np.exp(np.take_along_axis(log_p, examples.labels[test, None], axis=1)[:, 0]))
    return np.sort(np.concatenate(found))


def answers_on(
    categories: Sequence[str],
    probability: Floats,
    raw_confidence: Floats,
    rejected: npt.NDArray[np.bool_],
    labels: Ids,
    paths: Sequence[str],
) -> Answers:
    """Return what is worth storing of the answers on test images.

    Parameters
    ----------
    probability
        float32 `[n, k]`, with the temperature.
    raw_confidence
        float32 `[n]`, the probability of the likeliest category without it.
    rejected
        bool `[n]`, images that are too unlike what was learned.
    paths
        Of the same images; images with an empty one count, but are not told in full.
    """
    best = probability.argmax(axis=1)
    confidence = probability.max(axis=1)

    def told(image: int) -> AnsweredImage:
        order = np.argsort(-probability[image], kind="stable")[:TOP]
        top = tuple((categories[each], float(probability[image, each])) for each in order)
        return AnsweredImage(paths[image], categories[int(labels[image])], top)

    known = np.array([bool(path) for path in paths], np.bool_)
    wrong = np.flatnonzero((best != labels) & ~rejected & known)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    able = np.flatnonzero(known)
    steps = np.linspace(0, len(able) - 1, min(SHOWN, len(able)))
    return Answers(
        labels,
        np.where(rejected, UNKNOWN, best).astype(np.int64),
        confidence.astype(np.float32),
        raw_confidence.astype(np.float32),
        tuple(map(told, wrong.tolist())),
        tuple(map(told, able[steps.round().astype(np.int64)].tolist())),
        best.astype(np.int64),
    )


def forgetting(
    head: Head, prototypes: Vectors, catalog: Vectors, built_in: BuiltIn
) -> dict[str, float]:
    """Return what the built-in categories lose to a head of what they are sure of.

    Parameters
    ----------
    prototypes
        Made up like those that the gate was fitted to, but others.
    catalog
        Images of the catalog that the gate was not fitted to. Some may rightly fall to the head:
        nobody has said what they show.
    """
    found: dict[str, float] = {}
    for name, vectors in (("built_in", prototypes), ("catalog", catalog)):
        logits = built_in.logits(vectors)
        sure = softmax(logits).max(axis=1) >= CONVINCING
        if sure.any():
            taken = head.joint_logits(vectors[sure]).max(axis=1) > logits[sure].max(axis=1)
            found |= {
                f"sure_of_{name}": float(sure.sum()),
                f"taken_from_{name}": float(taken.mean()),
            }
    return found


def refusals(trials: Sequence[Trial], folds: RefusedFolds, built_in: BuiltIn) -> dict[str, float]:
    """Return how many images that show none of the categories were tested, and which share passed.

    An image is refused where the joint distribution names none of the categories it does not show.
    """
    tested, passed = 0, 0
    for number, trial in enumerate(trials):
        part = folds.test(number)
        if part is None or not len(part):
            continue
        logits = np.where(part.barred, trial.head.joint_logits(part.vectors), -np.inf)
        best = built_in.logits(part.vectors).max(axis=1)
        tested, passed = tested + len(part), passed + int((logits.max(axis=1) <= best).sum())
    return {"refused_images": float(tested), "refused": passed / tested} if tested else {}


def _ask(
    trial: Trial, examples: Examples, built_in: BuiltIn
) -> tuple[Floats, Floats, npt.NDArray[np.bool_], Ids]:
    """Return a trial's answers on its test images.

    Confidence without temperature `[n]`, probabilities with it `[n, k]`, whether the image is
    rejected `[n]`, and the category that wins against the built-in ones `[n]`, else `UNKNOWN`.
    """
    head = trial.head
    vectors = examples.vectors[examples.originals[trial.split.test]]
    log_p = head.log_probabilities(vectors)
    # Softmax does not see the constant that each row of logits was reduced by.
    before = softmax(log_p * np.float32(head.temperature)).max(axis=1)
    rejected = belonging(head, built_in, vectors) < head.accept
    own = head.belonging(vectors) + log_p.max(axis=1)
    wins = own > built_in.logits(vectors).max(axis=1)
    return before, np.exp(log_p), rejected, np.where(wins, log_p.argmax(axis=1), UNKNOWN)
