"""The page of `engine compare --html`: is transfer learning worth it on these pictures?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from cli.pages import plots
from cli.pages.html import NUMERIC, Plot, Section, write_page
from engine.learning.results import ComparedMethod, Comparison

HEADINGS = ("method", "accuracy", "spread", "training", "embedding", "trained")


def write_compare_page(comparison: Comparison, file: Path, *, force: bool = False) -> None:
    """Write what a comparison found.

    Raises
    ------
    UsageError
        The file exists, and `force` is not set.
    EngineError
        Matplotlib is not installed, or the file cannot be written.
    """
    plots.require_matplotlib("--html")
    methods = comparison.methods
    sections = [
        Section("Is transfer learning worth it for me?", verdict(comparison)),
        Section(
            "All methods",
            "Accuracy on test pictures, its standard deviation over the splits, the time of one "
            "training, the time of embedding all pictures once, and how many parameters are "
            "trained.",
            table=[HEADINGS, *map(method_row, methods)],
            layout=NUMERIC,
        ),
        Section("Accuracy and time", plots=_bars(methods)),
        Section(
            "How each learned its first split",
            "Validation pictures are neither learned from nor tested on; where their loss rises "
            "while that of training falls, a method begins to learn its pictures by heart.",
            plots=[plot for each in methods for plot in plots.curves(each.history, each.name)],
        ),
    ]
    text = (
        f"{comparison.images:,} pictures of {len(comparison.categories)} categories: "
        f"{', '.join(comparison.categories)}. Every method learned from the same pictures of "
        f"{_splits(comparison.rounds)} and was tested on the same others."
    )
    write_page(file, "Ways of learning, compared", text, sections, force=force)


def verdict(comparison: Comparison) -> str:
    """Answer in a sentence whether a frozen backbone is better than learning from scratch.

    A difference within the spread of both is none.
    """
    frozen = _best(comparison.methods, "frozen")
    scratch = _best(comparison.methods, "scratch")
    if frozen is None or scratch is None:
        return "That cannot be said: it takes a frozen backbone and a network from scratch."
    points = 100 * (frozen.accuracy - scratch.accuracy)
    spread = 100 * math.hypot(frozen.spread, scratch.spread)
    than = f"than {scratch.name}"
    if abs(points) <= spread:
        found = (
            f"It makes no clear difference in accuracy: {frozen.name} is {points:+.1f} points from "
            f"{scratch.name}, within the spread of {spread:.1f},"
        )
    elif points > 0:
        found = f"Yes: {frozen.name} is right on {points:.1f} more of 100 pictures {than},"
    else:
        found = f"No: {frozen.name} is right on {-points:.1f} fewer of 100 pictures {than},"
    chance = " (one split, so that chance is not ruled out)" if comparison.rounds == 1 else ""
    return f"{found} with {_time(frozen, scratch)}, embedding included{chance}."


def method_row(method: ComparedMethod) -> tuple[str, ...]:
    """Return a method's row of the table, below `HEADINGS`."""
    return (
        method.name,
        f"{100 * method.accuracy:.1f} %",
        f"{100 * method.spread:.1f}",
        f"{method.train_seconds:.1f} s",
        f"{method.embed_seconds:.1f} s" if method.embed_seconds else "",
        f"{method.trained_parameters / 1e6:.3f} M",
    )


def _time(frozen: ComparedMethod, scratch: ComparedMethod) -> str:
    own, other = _seconds(frozen), _seconds(scratch)
    if min(own, other) <= 0:
        return f"{own:.1f} against {other:.1f} seconds of training"
    times, less = (other / own, "less") if own <= other else (own / other, "more")
    return f"{times:.1f} times {less} training time ({own:.1f} against {other:.1f} seconds)"


def _seconds(method: ComparedMethod) -> float:
    return method.train_seconds + method.embed_seconds


def _best(methods: Sequence[ComparedMethod], kind: str) -> ComparedMethod | None:
    return max(
        (each for each in methods if each.kind == kind),
        key=lambda each: each.accuracy,
        default=None,
    )


def _bars(methods: Sequence[ComparedMethod]) -> list[Plot]:
    accuracies = [
        plots.Bar(each.name, 100 * each.accuracy, 100 * each.spread, each.kind) for each in methods
    ]
    seconds = [plots.Bar(each.name, _seconds(each), kind=each.kind) for each in methods]
    return [
        plots.bars("Accuracy on test pictures, whiskers: standard deviation", "%", accuracies),
        plots.bars("Time of one training, embedding included", "seconds", seconds, log=True),
    ]


def _splits(rounds: int) -> str:
    return "1 split" if rounds == 1 else f"{rounds} splits"
