"""The page of `engine report --html`: how good a head is, and how it came to be."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from cli.pages import plots
from cli.pages.html import FACTS, NUMERIC, Card, Guess, Section, write_page
from cli.render import percent
from engine.learning.results import AnsweredImage, HeadReport

NAN = float("nan")


def write_report_page(report: HeadReport, file: Path, *, force: bool = False) -> None:
    """Write a head's report.

    Raises
    ------
    UsageError
        The file exists, and `force` is not set.
    EngineError
        Matplotlib is not installed, or the file cannot be written.
    """
    plots.require_matplotlib("--html")
    sections = [
        *_learning(report),
        *_answers(report),
        *_certainty(report),
        _limits(report),
        *_images(report),
        _card(report),
    ]
    write_page(file, f"The head {report.head}", summary(report), sections, force=force)


def summary(report: HeadReport) -> str:
    """Return what matters most, and what the report cannot show, in a few sentences."""
    images = _whole(report.metrics, "images")
    learned = f" learned from {count(images, 'picture')}" if images else ""
    text = f"{categories(len(report.categories))}{learned}."
    accuracy = report.accuracy
    if not report.test_images:
        accuracy = report.metrics.get("validation_accuracy", NAN)
    if accuracy == accuracy:
        text += f" {_tested(report)}, its likeliest category is right for {percent(accuracy)}"
        text += f"{_against_baseline(report)}."
    if report.missing:
        text += f" Not in this report: {'; '.join(report.missing)}."
        text += " Training the head again writes down what can be known."
    return text


def _against_baseline(report: HeadReport) -> str:
    """Return what to hold an accuracy against, as the end of a sentence."""
    if not report.test_images:
        return ""
    return (
        f"; always answering the most frequent category would be for "
        f"{percent(report.majority_baseline)}. Each category counting the same (balanced accuracy) "
        f"it is {percent(report.balanced_accuracy)}"
    )


def _tested(report: HeadReport) -> str:
    """Return what the figures are of, as the beginning of a sentence."""
    images = _whole(report.metrics, "test_images", "validation_images") or report.test_images
    of = f"Of {count(images, 'test picture')}" if images else "Of test pictures"
    if not report.honest:
        return (
            f"{of}, which had also stopped the training and calibrated it (a head of an older "
            "release), so that the figures are too good"
        )
    if report.folds > 1:
        return f"{of}, each answered by one of {report.folds} trials that had not seen it"
    return f"{of}, which had served for nothing else"


def _whole(metrics: Mapping[str, float], *names: str) -> int:
    """Return the first of these metrics that is there as a whole number, 0 where none is."""
    return next((int(metrics[name]) for name in names if math.isfinite(metrics.get(name, NAN))), 0)


def count(number: int, thing: str) -> str:
    """Return a number of things, in the plural where it is not one."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def categories(number: int) -> str:
    """Return how many categories."""
    return "1 category" if number == 1 else f"{number:,} categories"


def _learning(report: HeadReport) -> list[Section]:
    drawn = plots.curves(report.history)
    if not drawn:
        return []
    text = (
        "One of the trials that were measured, epoch by epoch. Where the loss on validation "
        "pictures, which are not learned from, rises while that of training falls, the head "
        "begins to learn its pictures by heart."
    )
    return [Section("How it learned", text, plots=drawn)]


def _answers(report: HeadReport) -> list[Section]:
    if not report.test_images:
        return []
    text = (
        f"{_tested(report)}. Each row is what they show, each column what the head says. "
        "Precision is how often a category is right when it is the answer, recall how many of "
        "its pictures are found. Each picture counts by its likeliest category, though the head "
        "takes some for unknown."
    )
    rows = [
        [
            name,
            str(score.images),
            percent(score.precision),
            percent(score.recall),
            str(report.unknown_per_category[name]),
        ]
        for name, score in report.per_category.items()
    ]
    heading = ["category", "tested", "precision", "recall", "unknown"]
    return [
        Section(
            "What it takes for what",
            text,
            plots=[plots.confusion(report.categories, report.confusion)],
            table=[heading, *rows],
            layout=NUMERIC,
        )
    ]


def _certainty(report: HeadReport) -> list[Section]:
    before, after = report.calibration_before, report.calibration_after
    if not any(each.images for each in (*before, *after)):
        return []
    errors = (
        report.metrics.get("calibration_error_before", NAN),
        report.metrics.get("calibration_error", NAN),
    )
    text = (
        "Of answers that are 80 % sure, 80 % should be right: points on the dotted line. Below "
        "it the head is too sure of itself, above it too modest. A larger point stands for more "
        f"pictures. The temperature, {report.temperature:.2f}, divides the logits; the expected "
        f"calibration error was {percent(errors[0])} without it and is {percent(errors[1])} "
        "with it."
    )
    if report.unknown and report.confusion and any(row[-1] for row in report.confusion):
        text += " The points leave out pictures that were taken for unknown, the errors do not."
    drawn = [plots.reliability(before, after, errors)]
    return [Section("How much its probabilities are worth", text, plots=drawn)]


def _limits(report: HeadReport) -> Section:
    rejected = ""
    if report.test_images:
        share = percent(report.unknown / report.test_images)
        tested = count(report.test_images, "test picture")
        rejected = f" Rejected so: {report.unknown} of {tested} ({share})."
    text = (
        "A picture is unknown to this head when less than "
        f"{percent(report.accept)} of the probability, shared out among the built-in thousand "
        f"categories and its own, falls to its own together.{rejected}"
    )
    metrics = report.metrics
    rows = [
        ["what is not forgotten", "share"],
        [
            "test pictures whose category wins against the built-in thousand, too",
            percent(metrics.get("joint_accuracy", NAN)),
        ],
        [
            "stand-ins for built-in categories, not trained on, that fall to the head",
            percent(metrics.get("taken_from_built_in", NAN)),
        ],
    ]
    if "taken_from_catalog" in metrics:
        images = count(_whole(metrics, "sure_of_catalog"), "image")
        what = f"{images} of the catalog that built-in categories are sure of: fall to the head"
        rows.append([what, percent(metrics["taken_from_catalog"])])
    return Section("What it leaves to others", text, table=rows, layout=NUMERIC)


def _images(report: HeadReport) -> list[Section]:
    sections = []
    if report.mistakes:
        text = "Wrong and sure of it: often a wrong label, or two things in one picture."
        cards = [_mistake(each) for each in report.mistakes]
        sections.append(Section("The most confident mistakes", text, cards=cards))
    if report.shown:
        text = "Test pictures as they come, and the likeliest categories. A tick: it is right."
        cards = [_shown(each) for each in report.shown]
        sections.append(Section("Some answers in full", text, cards=cards))
    return sections


def _mistake(image: AnsweredImage) -> Card:
    best = image.predictions[0] if image.predictions else None
    title = f"{best.category}  {percent(best.probability, 0)}" if best else "-"
    lines = [f"it is: {image.label}", os.path.basename(image.path)]
    return Card(image.path, title, lines, best.probability if best else 0.0, wrong=True)


def _shown(image: AnsweredImage) -> Card:
    guesses = [
        Guess(each.category, each.probability, each.category == image.label)
        for each in image.predictions
    ]
    return Card(image.path, image.label, [os.path.basename(image.path)], guesses=guesses)


def _card(report: HeadReport) -> Section:
    learned = "; ".join(f"{name}: {number}" for name, number in report.learned.items())
    split = ""
    if report.test_images:
        split = f"{_tested(report)}; the final layers learned from all"
    rows = {
        "head": report.head,
        "made": report.created_at,
        "learned from": report.data,
        "categories": learned or ", ".join(report.categories),
        "split": split,
        "layers": " → ".join(map(str, report.layers)),
        "backbone": report.backbone,
        "fingerprint of the backbone": report.fingerprint,
        "temperature": f"{report.temperature:.3f}",
        **{f"setting: {name}": _setting(name, value) for name, value in report.settings.items()},
        **{f"seconds: {name}": f"{value:.1f}" for name, value in report.seconds.items()},
        **{f"version: {name}": value for name, value in report.versions.items()},
    }
    table = [["what", "value"], *([name, value] for name, value in rows.items() if value)]
    return Section("How it was made", table=table, layout=FACTS)


def _setting(name: str, value: object) -> str:
    if value is None:
        return "no" if name in ("selection", "tuned") else "by default"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
