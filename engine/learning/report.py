"""What a head's record amounts to: the figures that a report shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.heads.head import Head, layer_sizes
from engine.heads.record import UNKNOWN, Answers, Record
from engine.heads.record import AnsweredImage as Stored
from engine.heads.results import Prediction
from engine.learning.metrics import (
    accuracy,
    balanced_accuracy,
    calibration_bins,
    category_scores,
    confusion_matrix,
    majority_baseline,
)
from engine.learning.results import AnsweredImage, CalibrationBin, HeadReport
from index.records import Ids

_NO_IDS, _NO_FLOATS = np.zeros(0, np.int64), np.zeros(0, np.float32)
_NONE = Answers(_NO_IDS, _NO_IDS, _NO_FLOATS, _NO_FLOATS)


def head_report(head: Head) -> HeadReport:
    """Return the figures of a head's report.

    Parameters
    ----------
    head
        Of any release; what it does not hold stays empty, and is named in `missing`.
    """
    record = head.record or Record()
    answers = record.answers or _NONE
    labels, counted, outputs = answers.labels, answers.counted, len(head.categories)
    unknown = labels[answers.answers == UNKNOWN]
    learned = record.learned.labels if record.learned else None
    before, after = _calibration(answers)
    return HeadReport(
        head=head.name,
        categories=head.categories,
        backbone=head.backbone,
        fingerprint=head.fingerprint,
        created_at=head.created_at,
        data=record.data,
        layers=layer_sizes(head.layers),
        accept=head.accept,
        temperature=head.temperature,
        metrics=dict(head.metrics),
        history=[dict(row) for row in head.history],
        settings=dict(record.settings),
        versions=dict(record.versions),
        seconds=dict(record.seconds),
        learned=_by_category(head, learned),
        test_images=len(labels),
        folds=record.folds,
        honest=head.record is not None and record.version > 1,
        accuracy=accuracy(labels, counted),
        balanced_accuracy=balanced_accuracy(labels, counted),
        majority_baseline=majority_baseline(labels),
        unknown=len(unknown),
        unknown_per_category=_by_category(head, unknown if len(labels) else None),
        per_category=category_scores(head.categories, labels, counted) if len(labels) else {},
        confusion=confusion_matrix(labels, counted, outputs).tolist() if len(labels) else [],
        calibration_before=before,
        calibration_after=after,
        mistakes=_images(head.name, answers.mistakes),
        shown=_images(head.name, answers.shown),
        missing=_missing(head),
    )


def _by_category(head: Head, labels: Ids | None) -> dict[str, int]:
    """Return how many labels are of each category, nothing where there are none to count."""
    if labels is None:
        return {}
    counts = np.bincount(labels, minlength=len(head.categories))
    return dict(zip(head.categories, counts.tolist(), strict=True))


def _calibration(answers: Answers) -> tuple[list[CalibrationBin], list[CalibrationBin]]:
    """Return the bins of confidence, without the temperature and with it.

    Images whose likeliest category is not known are left out.
    """
    if not len(answers.labels):
        return [], []
    known = answers.counted != UNKNOWN
    right = answers.counted[known] == answers.labels[known]
    return (
        calibration_bins(answers.raw_confidence[known], right),
        calibration_bins(answers.confidence[known], right),
    )


def _images(head: str, images: Sequence[Stored]) -> list[AnsweredImage]:
    return [
        AnsweredImage(
            each.path,
            each.label,
            [Prediction(category, probability, head) for category, probability in each.top],
        )
        for each in images
    ]


def _missing(head: Head) -> list[str]:
    """Return what the head holds no record of, and why."""
    missing = []
    if not head.history:
        missing.append("the course of the training, which this head does not hold")
    record = head.record
    if record is None:
        missing.append(
            "answers on test images, settings, versions, and what it learned from, which heads of "
            "older releases do not hold"
        )
        return missing
    missing += _missing_answers(record)
    if record.learned is None:
        missing.append("which images it learned from, because they were not known")
    return missing


def _missing_answers(record: Record) -> list[str]:
    answers = record.answers
    if answers is None:
        return ["answers on test images, because there were none to spare"]
    missing = []
    if (answers.counted == UNKNOWN).any():
        missing.append(
            "the likeliest category of images taken for unknown, which count as wrong: heads of "
            "older releases do not hold it"
        )
    if record.imported:
        missing.append(
            "test images to look at, because the head was imported: paths of another machine are "
            "not followed"
        )
    elif not answers.shown:
        missing.append("test images to look at, because their paths were not known")
    return missing
