"""The figures of a head's report, against what scikit-learn and plain counting say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from engine import Engine, TrainOptions
from engine.errors import UnknownHeadError
from engine.heads.head import Dense, Head
from engine.heads.numerics import softmax
from engine.heads.record import AnsweredImage, Answers, Learned, Record
from engine.learning.measure import answers_on
from engine.learning.metrics import calibration_error
from engine.learning.report import head_report

CATEGORIES = ("bed", "chair", "sofa")


def make_head(record: Record | None, categories: tuple[str, ...] = CATEGORIES) -> Head:
    """Return a head that computes nothing of interest."""
    count = len(categories)
    layer = Dense(np.zeros((count, 4), np.float32), np.zeros(count, np.float32))
    return Head(
        name="furniture",
        categories=categories,
        backbone="fake",
        fingerprint="f" * 64,
        layers=(layer,),
        scale=1.0,
        temperature=1.5,
        gate=layer,
        accept=0.25,
        created_at="2026-01-01T00:00:00+00:00",
        metrics={"images": 30.0, "validation_accuracy": 0.9},
        history=({"epoch": 1.0, "loss": 0.5, "accuracy": 0.7},),
        record=record,
    )


def answered(
    labels: list[int], answers: list[int], confidence: list[float] | None = None
) -> Answers:
    """Return answers, all of them sure unless it is said otherwise."""
    sure = np.array(confidence or [0.95] * len(labels), np.float32)
    return Answers(np.array(labels), np.array(answers), sure, sure)


@pytest.fixture
def sample() -> Answers:
    """Answers at random for 200 images."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 200)
    logits = rng.normal(0, 1.5, (200, 3)).astype(np.float32)
    logits[np.arange(200), labels] += 1.5
    rejected = rng.random(200) < 0.1
    paths = [f"/photos/{number}.jpg" for number in range(200)]
    probability = softmax(logits / np.float32(1.5))
    confidence = softmax(logits).max(axis=1)
    return answers_on(CATEGORIES, probability, confidence, rejected, labels, paths)


def test_precision_and_recall_are_those_of_scikit_learn(sample: Answers) -> None:
    found = head_report(make_head(Record(answers=sample))).per_category
    settings = {"labels": [0, 1, 2], "average": None}
    precision = precision_score(sample.labels, sample.likeliest, **settings)
    recall = recall_score(sample.labels, sample.likeliest, **settings)
    assert [each.precision for each in found.values()] == pytest.approx(precision.tolist())
    assert [each.recall for each in found.values()] == pytest.approx(recall.tolist())
    assert [each.images for each in found.values()] == np.bincount(sample.labels).tolist()


def older(answers: Answers) -> Answers:
    """Return answers as heads of older releases hold them."""
    return replace(answers, likeliest=None)


@pytest.mark.parametrize("release", [older, lambda answers: answers], ids=["older", "this"])
def test_every_figure_counts_unknown_images_alike(
    sample: Answers, release: Callable[[Answers], Answers]
) -> None:
    answers = release(sample)
    report = head_report(make_head(Record(answers=answers)))
    counts = np.array(report.confusion)
    of_label, right = np.bincount(sample.labels), np.diag(counts)
    assert counts.sum(axis=1).tolist() == of_label.tolist()
    recalls = [each.recall for each in report.per_category.values()]
    assert recalls == pytest.approx((right / of_label).tolist())
    assert report.accuracy == pytest.approx(right.sum() / 200)
    assert report.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert report.majority_baseline == pytest.approx(of_label.max() / 200)


def test_the_likeliest_category_counts_whether_unknown_or_not(sample: Answers) -> None:
    assert sample.likeliest is not None
    report = head_report(make_head(Record(answers=sample)))
    assert report.accuracy == pytest.approx((sample.likeliest == sample.labels).mean())
    assert report.unknown == (sample.answers == -1).sum() > 0
    rejected = sample.labels[sample.answers == -1]
    assert list(report.unknown_per_category.values()) == np.bincount(rejected).tolist()
    assert not any("unknown" in each for each in report.missing)


def test_an_older_head_says_that_unknown_images_count_as_wrong(sample: Answers) -> None:
    answers = older(sample)
    report = head_report(make_head(Record(answers=answers)))
    assert report.accuracy == pytest.approx((sample.answers == sample.labels).mean())
    assert report.unknown == sum(row[-1] for row in report.confusion)
    assert any("unknown, which count as wrong" in each for each in report.missing)


def test_the_confusion_counts_each_pair(sample: Answers) -> None:
    answers = older(sample)
    report = head_report(make_head(Record(answers=answers)))
    pairs = Counter(zip(sample.labels.tolist(), sample.answers.tolist(), strict=True))
    for label, row in enumerate(report.confusion):
        assert row == [pairs[label, answer] for answer in (0, 1, 2, -1)]
    assert report.test_images == 200


def test_the_bins_are_of_confidence_without_the_temperature_and_with_it(sample: Answers) -> None:
    report = head_report(make_head(Record(answers=sample)))
    right = sample.likeliest == sample.labels
    for bins, confidence in (
        (report.calibration_before, sample.raw_confidence),
        (report.calibration_after, sample.confidence),
    ):
        assert sum(each.images for each in bins) == 200
        mean = sum(each.images * each.confidence for each in bins if each.images) / 200
        share = sum(each.images * each.accuracy for each in bins if each.images) / 200
        assert (mean, share) == pytest.approx((confidence.mean(), right.mean()), abs=1e-6)
        assert 0 < calibration_error(bins) < 0.2


def test_images_whose_likeliest_category_is_not_known_are_in_no_bin() -> None:
    report = head_report(make_head(Record(answers=answered([0, 1, 2], [0, -1, 1]))))
    assert sum(each.images for each in report.calibration_after) == 2


def test_full_confidence_is_in_the_last_bin() -> None:
    report = head_report(make_head(Record(answers=answered([0], [0], [1.0]))))
    assert [each.images for each in report.calibration_after] == [0] * 9 + [1]


def test_a_confidence_that_is_no_number_is_in_no_bin() -> None:
    sample = answered([0, 1], [0, 1], [float("nan"), 0.5])
    report = head_report(make_head(Record(answers=sample)))
    assert sum(each.images for each in report.calibration_after) == 1


def test_a_category_that_was_never_the_answer_has_no_precision() -> None:
    report = head_report(make_head(Record(answers=answered([0, 1, 1], [0, 0, 0]))))
    assert report.per_category["bed"].precision == pytest.approx(1 / 3)
    assert math.isnan(report.per_category["chair"].precision)
    assert report.per_category["chair"].recall == 0.0
    assert math.isnan(report.per_category["sofa"].recall)


def test_a_category_called_unknown_is_not_mixed_up_with_being_unknown() -> None:
    head = make_head(Record(answers=answered([1, 1], [1, -1])), ("bed", "unknown"))
    report = head_report(head)
    assert report.confusion == [[0, 0, 0], [0, 1, 1]]
    assert report.per_category["unknown"].recall == 0.5


def test_a_single_category_is_reported() -> None:
    report = head_report(make_head(Record(answers=answered([0, 0], [0, -1])), ("bed",)))
    assert report.confusion == [[1, 1]]
    assert report.per_category["bed"].precision == 1.0
    assert report.per_category["bed"].recall == 0.5


def test_images_learned_from_are_counted_by_category() -> None:
    learned = Learned.of(["ab" * 32] * 4, np.array([0, 0, 1, 0]))
    report = head_report(make_head(Record(learned=learned)))
    assert report.learned == {"bed": 3, "chair": 1, "sofa": 0}


def test_mistakes_and_shown_images_name_what_was_likeliest() -> None:
    shown = AnsweredImage("/a.jpg", "bed", (("sofa", 0.8), ("bed", 0.2)))
    sample = Answers(
        np.array([0]), np.array([2]), np.ones(1, np.float32), np.ones(1, np.float32), (shown,)
    )
    [mistake] = head_report(make_head(Record(answers=sample))).mistakes
    assert (mistake.path, mistake.label) == ("/a.jpg", "bed")
    assert [(each.category, each.probability) for each in mistake.predictions] == [
        ("sofa", 0.8),
        ("bed", 0.2),
    ]


def test_a_head_without_a_record_names_what_is_missing() -> None:
    report = head_report(make_head(None))
    assert report.metrics == {"images": 30.0, "validation_accuracy": 0.9}
    assert len(report.history) == 1
    assert (report.test_images, report.per_category, report.confusion) == (0, {}, [])
    assert "older releases" in " ".join(report.missing)


def test_a_head_with_no_image_to_test_says_so() -> None:
    missing = " ".join(head_report(make_head(Record())).missing)
    assert "none to spare" in missing
    assert "older releases" not in missing


def test_a_head_of_an_older_release_is_not_called_honest(sample: Answers) -> None:
    assert not head_report(make_head(None)).honest
    assert not head_report(make_head(Record(answers=sample, version=1))).honest
    report = head_report(make_head(Record(answers=sample, folds=5)))
    assert (report.honest, report.folds) == (True, 5)


def test_an_imported_head_shows_no_images_and_says_why(sample: Answers) -> None:
    blank = replace(sample, mistakes=(), shown=())
    report = head_report(make_head(Record(answers=blank, imported=True)))
    assert (report.mistakes, report.shown, report.test_images) == ([], [], 200)
    assert "the head was imported" in " ".join(report.missing)


def test_a_head_that_is_not_there_is_refused(fake_engine: Engine, drawn: object) -> None:
    fake_engine.index([str(drawn)])
    with pytest.raises(UnknownHeadError):
        fake_engine.report("furniture")


@pytest.mark.slow
def test_the_report_has_the_figures_that_the_training_told(
    fake_engine: Engine, images: Path
) -> None:
    trained = fake_engine.train(images, head="rooms", options=TrainOptions(epochs=4))
    report = fake_engine.report("rooms")
    for name in ("balanced_accuracy", "majority_baseline", "test_images"):
        assert getattr(report, name) == getattr(trained, name)
    assert report.accuracy == trained.validation_accuracy
    assert trained.majority_baseline == pytest.approx(1 / 3)
