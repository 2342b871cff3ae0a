"""What a head's record amounts to: the figures that a report shows, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from engine.heads.head import Head, layer_sizes
from engine.heads.record import UNKNOWN, HeldOut, Record, ShownImage
from engine.learning.results import CalibrationBin, HeadReport, HeldOutImage
from engine.results import CategoryScore, Prediction
from index.records import Floats, Ids

BINS = 10
NAN = float("nan")


def head_report(head: Head) -> HeadReport:
    """Return the figures of a head's report.

    Parameters
    ----------
    head
        It may be of a release that kept less; what is not there stays empty, and is named.
    """
    record = head.record or Record()
    held = record.held_out
    counts = confusion_counts(held, len(head.categories))
    before, after = calibration(held)
    learned: Mapping[str, int] = {}
    if record.learned is not None:
        each = np.bincount(record.learned.labels, minlength=len(head.categories))
        learned = dict(zip(head.categories, each.tolist(), strict=True))
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
        held_out=len(held.labels) if held else 0,
        unknown=int((held.answers == UNKNOWN).sum()) if held else 0,
        per_category=category_scores(head.categories, counts) if held else {},
        confusion=counts.tolist() if held else [],
        calibration_before=before,
        calibration_after=after,
        mistakes=_images(head.name, held.mistakes if held else ()),
        shown=_images(head.name, held.shown if held else ()),
        missing=_missing(head),
    )


def confusion_counts(held: HeldOut | None, outputs: int) -> npt.NDArray[np.int64]:
    """Return how many pictures of each category were taken for each, `[k, k + 1]`.

    The last column is of those that were taken for unknown.
    """
    counts = np.zeros((outputs, outputs + 1), np.int64)
    if held is not None:
        answers = np.where(held.answers == UNKNOWN, outputs, held.answers)
        np.add.at(counts, (held.labels, answers), 1)
    return counts


def category_scores(
    categories: Sequence[str], counts: npt.NDArray[np.int64]
) -> dict[str, CategoryScore]:
    """Return precision and recall of each category, NaN where there is nothing to divide by.

    Parameters
    ----------
    counts
        As `confusion_counts` returns them.
    """
    images, given = counts.sum(axis=1), counts.sum(axis=0)
    return {
        name: CategoryScore(
            int(images[place]),
            _share(counts[place, place], given[place]),
            _share(counts[place, place], images[place]),
        )
        for place, name in enumerate(categories)
    }


def calibration(held: HeldOut | None) -> tuple[list[CalibrationBin], list[CalibrationBin]]:
    """Return the bins of confidence, without the temperature and with it.

    Pictures that were taken for unknown are left out: of them no answer was kept that could be
    right.
    """
    if held is None:
        return [], []
    answered = held.answers != UNKNOWN
    right = held.answers[answered] == held.labels[answered]
    return (
        _bins(held.raw_confidence[answered], right),
        _bins(held.confidence[answered], right),
    )


def _bins(confidence: Floats, right: npt.NDArray[np.bool_]) -> list[CalibrationBin]:
    # A training that went astray leaves NaN behind, which belongs into no bin.
    known = np.isfinite(confidence)
    confidence, right = confidence[known], right[known]
    place: Ids = np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)
    rows = []
    for number in range(BINS):
        inside = place == number
        there = bool(inside.any())
        rows.append(
            CalibrationBin(
                number / BINS,
                (number + 1) / BINS,
                int(inside.sum()),
                float(confidence[inside].mean()) if there else NAN,
                float(right[inside].mean()) if there else NAN,
            )
        )
    return rows


def _images(head: str, images: Sequence[ShownImage]) -> list[HeldOutImage]:
    return [
        HeldOutImage(
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
    if head.record is None:
        missing.append(
            "answers on held-out pictures, settings, versions, and what it learned from, which "
            "heads of older releases do not hold"
        )
        return missing
    if head.record.held_out is None:
        missing.append("answers on held-out pictures, because none were held out")
    elif not head.record.held_out.shown:
        missing.append("held-out pictures to look at, because their places were not known")
    if head.record.learned is None:
        missing.append("which pictures it learned from, because they were not known")
    return missing


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else NAN
