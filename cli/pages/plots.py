"""Plots for pages: colours of `cli/pages/palette.py`, and a second cue in print.

Markers and dashes, hatching, and numbers in cells say the same as the colour. A plot is an SVG
whose text stays text: the reader's own fonts draw it, which know more scripts than Matplotlib's.
Its background is white, on dark pages too.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.pages.html import Plot
from cli.pages.palette import FILLS, LINES
from cli.render import percent, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from engine.learning.results import CalibrationBin

WIDTH, HEIGHT = 4.8, 3.2
# So many categories can be named along an axis, and so many have room for numbers in their cells.
MOST_NAMED, MOST_NUMBERED = 60, 25
LONGEST_NAME, LONGEST_BAR_NAME = 24, 40
MOST_MARKERS = 12
# Where an axis is logarithmic, a bar must have some length.
LEAST_LOG = 1e-3


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its name, its length, how far its whisker reaches both ways, and its kind."""

    name: str
    value: float
    spread: float = 0.0
    kind: str = ""


def require_matplotlib(wanted: str) -> None:
    """Insist on what draws, before work is done that would be lost without it.

    Parameters
    ----------
    wanted
        What it is needed for, such as `--html`.

    Raises
    ------
    EngineError
        It is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        from engine.errors import EngineError

        raise EngineError(
            wanted,
            "its plots need Matplotlib, which is not installed",
            "Install it with `pip install 'image-engine[report]'`",
        ) from None


def curves(history: Sequence[Mapping[str, float]], title: str = "") -> list[Plot]:
    """Draw loss and accuracy over epochs, each with its validation; what is not there is left out.

    Parameters
    ----------
    history
        Rows with any of `epoch`, `loss`, `accuracy`, `validation_loss`, `validation_accuracy`.
    title
        Stands before what is shown.
    """
    plots = []
    for key, what in (("loss", "Loss"), ("accuracy", "Accuracy")):
        lines = {
            "training": _points(history, key),
            "validation": _points(history, f"validation_{key}"),
        }
        lines = {name: points for name, points in lines.items() if points}
        if lines:
            plots.append(_curve(f"{title}: {what.lower()}" if title else what, what, lines))
    return plots


def confusion(categories: Sequence[str], counts: Sequence[Sequence[int]]) -> Plot:
    """Draw which categories are taken for which.

    Parameters
    ----------
    categories
        Names of the rows, and of the columns but the last.
    counts
        `[k, k + 1]`, the last column is of images whose likeliest category is not known, because
        they were taken for unknown.
    """
    unknown = any(row[-1] for row in counts)
    rows = [list(row) if unknown else list(row[:-1]) for row in counts]
    columns = [*categories, "unknown"] if unknown else list(categories)
    shares = [[each / max(sum(row), 1) for each in row] for row in rows]
    side = min(max(2.6, 1.4 + 0.42 * len(columns)), 11.0)
    figure, axes = _canvas("What is taken for what", side + 1.4, side + 0.4)
    mesh = axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=0.5)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    if len(columns) <= MOST_NUMBERED:
        for up, row in enumerate(rows):
            for across, count in enumerate(row):
                colour = "white" if shares[up][across] > 0.6 else "black"
                text = str(count) if count else ""
                axes.text(across + 0.5, up + 0.5, text, ha="center", va="center", color=colour)
    named = len(columns) <= MOST_NAMED
    _name_ticks(axes, "x", columns if named else [])
    _name_ticks(axes, "y", categories if named else [])
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
    figure.colorbar(mesh, ax=axes, shrink=0.7, label="share of the row")
    right = sum(row[number] for number, row in enumerate(rows))
    total = sum(map(sum, rows))
    return Plot(_svg(figure), f"Confusion matrix: {right} of {total} pictures are on its diagonal")


def reliability(
    before: Sequence[CalibrationBin],
    after: Sequence[CalibrationBin],
    errors: tuple[float, float],
) -> Plot:
    """Draw how often answers are right against how sure they are.

    Parameters
    ----------
    before, after
        Without the temperature, and with it.
    errors
        The expected calibration error of both; NaN where it is not known.
    """
    figure, axes = _canvas("Is it as often right as it is sure?", WIDTH, WIDTH - 0.4)
    axes.plot([0, 1], [0, 1], color="#777777", linewidth=1, linestyle=(0, (1, 2)), label="ideal")
    for name, bins, error, (colour, marker, dashes) in (
        ("without temperature", before, errors[0], LINES[1]),
        ("with temperature", after, errors[1], LINES[0]),
    ):
        filled = [each for each in bins if each.images]
        if not filled:
            continue
        total = sum(each.images for each in filled)
        across, up = [each.confidence for each in filled], [each.accuracy for each in filled]
        axes.plot(
            across, up, dashes, color=colour, linewidth=1, label=f"{name}, error {percent(error)}"
        )
        sizes = [20 + 180 * each.images / total for each in filled]
        axes.scatter(across, up, sizes, color=colour, marker=marker, alpha=0.7)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="confidence", ylabel="share that is right")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    alt = (
        f"Reliability: expected calibration error {percent(errors[0])} without the temperature, "
        f"{percent(errors[1])} with it"
    )
    return Plot(_svg(figure), alt)


def bars(title: str, unit: str, rows: Sequence[Bar], *, log: bool = False) -> Plot:
    """Draw horizontal bars with whiskers, from top to bottom, coloured and hatched by kind.

    Parameters
    ----------
    title, unit
        What is shown, and what in.
    rows
        The bars.
    log
        Make the axis logarithmic.
    """
    from matplotlib.patches import Patch

    kinds = list(dict.fromkeys(row.kind for row in rows))
    fills = {kind: FILLS[number % len(FILLS)] for number, kind in enumerate(kinds)}
    figure, axes = _canvas(title, WIDTH + 2.2, 1.2 + 0.42 * len(rows))
    values = [row.value if math.isfinite(row.value) else 0.0 for row in rows]
    lengths = [max(value, LEAST_LOG) for value in values] if log else values
    drawn = axes.barh(
        range(len(rows)),
        lengths,
        xerr=[row.spread for row in rows] if any(row.spread > 0 for row in rows) else None,
        color=[fills[row.kind][0] for row in rows],
        edgecolor="black",
        linewidth=0.6,
        error_kw={"elinewidth": 1, "capsize": 3},
    )
    for bar, row in zip(drawn, rows, strict=True):
        bar.set_hatch(fills[row.kind][1])
    axes.bar_label(drawn, labels=[_figure(value) for value in values], padding=5, fontsize=9)
    if log:
        axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_yticks(
        range(len(rows)), [_name(row.name, LONGEST_BAR_NAME) for row in rows], parse_math=False
    )
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    if len(kinds) > 1:
        patches = [
            Patch(facecolor=colour, hatch=hatch, edgecolor="black", label=kind)
            for kind, (colour, hatch) in fills.items()
        ]
        figure.legend(handles=patches, loc="outside lower center", ncols=len(kinds), frameon=False)
    alt = "; ".join(f"{row.name} {_figure(value)}" for row, value in zip(rows, values, strict=True))
    return Plot(_svg(figure), f"{title} ({unit}): {alt}")


def _curve(title: str, what: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> Plot:
    from matplotlib.ticker import MaxNLocator

    figure, axes = _canvas(title, WIDTH, HEIGHT)
    for (name, points), (colour, marker, dashes) in zip(lines.items(), LINES, strict=False):
        across, up = zip(*points, strict=True)
        every = max(1, len(points) // MOST_MARKERS)
        axes.plot(
            across, up, dashes, color=colour, marker=marker, markersize=4, markevery=every,
            label=name,
        )  # fmt: skip
    axes.set(xlabel="epoch", ylabel=what.lower())
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    axes.grid(linewidth=0.4, alpha=0.6)
    axes.legend(frameon=False, fontsize=9)
    last = ", ".join(f"{name} {points[-1][1]:.3g}" for name, points in lines.items())
    return Plot(_svg(figure), f"{title} by epoch, in the end: {last}")


def _points(history: Sequence[Mapping[str, float]], key: str) -> list[tuple[float, float]]:
    points = [
        (float(row.get("epoch", number)), float(row[key]))
        for number, row in enumerate(history, 1)
        if row.get(key) is not None
    ]
    return [point for point in points if all(map(math.isfinite, point))]


def _name_ticks(axes: Axes, side: str, names: Iterable[str]) -> None:
    texts = [_name(name) for name in names]
    middles = [number + 0.5 for number in range(len(texts))]
    # Dollars in a name are dollars, not mathematics.
    settings: dict[str, Any] = {"parse_math": False, "fontsize": 9 if len(texts) <= 25 else 6}
    if side == "x":
        axes.set_xticks(middles, texts, rotation=90 if len(texts) > 6 else 30, **settings)
    else:
        axes.set_yticks(middles, texts, **settings)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _name(text: str, longest: int = LONGEST_NAME) -> str:
    text = shown(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _canvas(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    # Not through pyplot, which keeps every figure and picks a window system.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.set_title(shown(title), fontsize=10, loc="left", parse_math=False)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> bytes:
    import matplotlib

    data = io.BytesIO()
    # Text as text, and nothing in it that differs between two drawings of the same.
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": "plots"}
    about = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # It misses letters in its own fonts, which are not those that will draw them.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        figure.savefig(data, format="svg", metadata=about)
    return data.getvalue()
