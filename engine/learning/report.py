"""What a head's record amounts to: the figures that a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.heads.head import Head, layer_sizes
from engine.heads.record import UNKNOWN, Answers, Record
from engine.heads.record import AnsweredImage as Stored
from engine.learning.metrics import calibration_bins, category_scores, confusion_matrix
from engine.learning.results import AnsweredImage, CalibrationBin, HeadReport
from engine.results import Prediction


def head_report(head: Head) -> HeadReport:
    """Return the figures of a head's report.

    Parameters
    ----------
    head
        Of any release; what it does not hold stays empty, and is named in `missing`.
    """
    record = head.record or Record()
    answers = record.answers
    outputs = len(head.categories)
    learned: Mapping[str, int] = {}
    if record.learned is not None:
        each = np.bincount(record.learned.labels, minlength=outputs)
        learned = dict(zip(head.categories, each.tolist(), strict=True))
    before, after = _calibration(answers) if answers else ([], [])
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
        learned=learned,
        test_images=len(answers.labels) if answers else 0,
        folds=record.folds,
        honest=head.record is not None and record.version > 1,
        unknown=int((answers.answers == UNKNOWN).sum()) if answers else 0,
        per_category=(
            category_scores(head.categories, answers.labels, answers.answers) if answers else {}
        ),
        confusion=(
            confusion_matrix(answers.labels, answers.answers, outputs).tolist() if answers else []
        ),
        calibration_before=before,
        calibration_after=after,
        mistakes=_images(head.name, answers.mistakes if answers else ()),
        shown=_images(head.name, answers.shown if answers else ()),
        missing=_missing(head),
    )


def _calibration(answers: Answers) -> tuple[list[CalibrationBin], list[CalibrationBin]]:
    """Return the bins of confidence, without the temperature and with it.

    Images that were taken for unknown are left out: their answers were not stored.
    """
    known = answers.answers != UNKNOWN
    right = answers.answers[known] == answers.labels[known]
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
    if record.answers is None:
        missing.append("answers on test images, because there were none to spare")
    elif record.imported:
        missing.append(
            "test images to look at, because the head was imported: paths of another machine are "
            "not followed"
        )
    elif not record.answers.shown:
        missing.append("test images to look at, because their paths were not known")
    if record.learned is None:
        missing.append("which images it learned from, because they were not known")
    return missing
