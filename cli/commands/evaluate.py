"""`engine evaluate`: measure on pictures whose labels are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Backbone,
    DecodeSeconds,
    Failed,
    Json,
    MaxFileSize,
    MaxMegapixels,
    Precision,
    Runtime,
    Store,
    open_engine,
)

if TYPE_CHECKING:
    from engine.learning.results import Evaluation

EXAMPLES = """Examples:

engine evaluate ./photos/test --head furniture

engine evaluate ./catalog --json
"""


def command(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="A folder with one folder per label.")
    ],
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="NAME|imagenet|all",
            help="Who classifies: a head, the built-in categories, or all together.",
            show_default="all if they know every label, else the nearest neighbours",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            metavar="parent|FILE.csv",
            help="Where labels come from.",
            show_default="the folders in DATASET",
        ),
    ] = None,
    backbone: Backbone = None,
    precision: Precision = None,
    runtime: Runtime = "auto",
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    decode_seconds: DecodeSeconds = 60.0,
    failed: Failed = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Say how often the engine is right.

    Classification: accuracy, and per label precision and recall, by each picture's likeliest
    category, unknown or not. Pictures that the head or a fine-tuned backbone has learned from are
    told apart. Search: the data set is searched with each of its own pictures, itself and its
    copies left out; precision at 1 and 10 is how many of the results have the right label, of as
    many as could.
    """
    from cli.failures import failures_named, tell_failures
    from cli.render import say, write_json

    settings = {
        "backbone": backbone,
        "precision": precision,
        "runtime": runtime,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
        "decode_seconds": decode_seconds,
    }
    with failures_named(failed), open_engine(store, **settings) as engine:
        report = engine.evaluate(dataset, head=head, label=label)
    if json:
        write_json(report)
    else:
        for note in report.notes:
            say(note)
        _write(report)
    return tell_failures(report.skipped, failed, unused_labels=report.unused_labels)


def _write(report: Evaluation) -> None:
    from cli.render import against_baseline, figure, tell, write_table

    write_table(
        ("label", "images", "precision", "recall", "most often taken for"),
        [
            (
                name,
                score.images,
                score.precision,
                score.recall,
                _mistaken(report.confusion[name], name),
            )
            for name, score in report.per_category.items()
        ],
    )
    tell(
        "",
        f"accuracy {report.accuracy:.3f} on {report.images} images (by {report.classifier}"
        f"{f'; {report.unknown} unknown' if report.unknown else ''})",
        against_baseline(figure(report.balanced_accuracy), figure(report.majority_baseline)),
        *_learned(report),
        *_copies(report),
        f"search: precision@1 {figure(report.precision_at_1)}, precision@10 "
        f"{figure(report.precision_at_10)}, mean average precision {figure(report.map)}",
    )


def _learned(report: Evaluation) -> list[str]:
    """Return a line on the pictures that were learned from, none where there are none."""
    if report.learned is None:
        return [
            "not known, of a head or fine-tuned backbone of an older release: which of them it has "
            "learned from"
        ]
    if not report.learned:
        return []
    said = f"{report.learned} of them were learned from"
    if report.learned == report.images:
        return [f"{said}, which is all: this says nothing of pictures it has not seen"]
    others = report.images - report.learned
    return [f"{said}; accuracy {report.accuracy_without_learned:.3f} on the {others} others"]


def _copies(report: Evaluation) -> list[str]:
    """Return a line on copies in the data set, none where there are none."""
    if not report.copies:
        return []
    return [f"{report.copies} of them are copies of others, left out of each other's results"]


def _mistaken(given: Mapping[str, int], label: str) -> str:
    wrong = [f"{name} ({count})" for name, count in given.items() if name != label]
    return ", ".join(wrong[:2]) or "-"
