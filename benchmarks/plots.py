"""Plots for the report: colours that colour-blind readers tell apart, and a second cue in print.

The palette is that of `cli/pages/palette.py`. In a bar chart hatching, in a line chart
markers and dashes say the same as the colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from cli.pages.palette import BLUE, LINES, ORANGE

DPI = 160
WIDTH = 7.0


def bar_chart(
    path: Path, title: str, unit: str, rows: Sequence[tuple[str, Sequence[float]]], own: str
) -> None:
    """Draw medians as bars, the range of the runs as whiskers.

    Parameters
    ----------
    path
        The PNG file to write.
    title, unit
        What is shown, and what in.
    rows
        Name and runs of each bar, from top to bottom.
    own
        Names that begin so are the engine's, and stand out.
    """
    canvas, axes = _canvas(title, height=0.9 + 0.42 * len(rows))
    values = [median(runs) for _, runs in rows]
    mine = [name.startswith(own) for name, _ in rows]
    bars = axes.barh(
        [name for name, _ in rows],
        values,
        xerr=_whiskers(rows),
        color=[BLUE if each else ORANGE for each in mine],
        edgecolor="black",
        linewidth=0.6,
        error_kw={"elinewidth": 0.8, "capsize": 2.5},
    )
    for bar, each in zip(bars, mine, strict=True):
        bar.set_hatch("" if each else "///")
    axes.bar_label(bars, labels=[f"{value:.1f}" for value in values], padding=5, fontsize=9)
    axes.set_xlim(0, max(max(runs) for _, runs in rows) * 1.12)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.grid(axis="x", linewidth=0.4, alpha=0.6)
    _save(canvas, path)


def line_chart(
    path: Path,
    title: str,
    labels: tuple[str, str],
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    log: str = "xy",
) -> None:
    """Draw lines through points.

    Parameters
    ----------
    path
        The PNG file to write.
    title
        What is shown.
    labels
        What the horizontal and the vertical axis are, with their units.
    series
        The points of each line, by name.
    log
        Which axes are logarithmic: `x`, `y`, `xy` or nothing.
    """
    canvas, axes = _canvas(title, height=4.2)
    for number, (name, points) in enumerate(series.items()):
        colour, marker, dashes = LINES[number % len(LINES)]
        across, up = zip(*sorted(points), strict=True)
        axes.plot(across, up, dashes, color=colour, marker=marker, markersize=5, label=name)
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(which="major", linewidth=0.4, alpha=0.6)
    axes.legend(frameon=False, fontsize=9)
    _save(canvas, path)


def _whiskers(rows: Sequence[tuple[str, Sequence[float]]]) -> list[list[float]]:
    """Return how far the lowest and the highest run of each row lie from its median."""
    below = [median(runs) - min(runs) for _, runs in rows]
    above = [max(runs) - median(runs) for _, runs in rows]
    return [below, above]


def _canvas(title: str, height: float) -> tuple[Canvas, Axes]:
    canvas, axes = plt.subplots(figsize=(WIDTH, height), layout="constrained")
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return canvas, axes


def _save(canvas: Canvas, path: Path) -> None:
    # Without the version in it, the same figures give the same file.
    canvas.savefig(path, dpi=DPI, metadata={"Software": None})
    plt.close(canvas)
