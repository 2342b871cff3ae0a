"""From files to a searchable catalog, beside other tools that turn pictures into embeddings."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, ratios
from benchmarks.settings import CannotRunError, Settings
from benchmarks.support.images import staged
from benchmarks.support.retrieval import precision_at
from benchmarks.support.tools import Timing, Tool, ToolError, run_tool, summary, take_turns
from benchmarks.support.weights import environment, provide_resnet50

SECTION = "embedding"
RESNET, SMALL = "ResNet50", "small networks"
PRECISIONS = ("fp32", "bf16", "int8")
# How many times faster than each peer the engine must be, by precision.
RESNET_BOUNDS = {"bf16": 5.0, "int8": 8.0}
SMALL_BOUNDS = {"bf16": 1.5, "int8": 2.0}
# Share of the runtime's own speed that must be left after reading, decoding and committing.
ALONE_BOUNDS = {"bf16": 0.85}
ALONE, FASTDUP = "runtime alone", "fastdup"


def engine_tool(backbone: str, precision: str) -> Tool:
    """Return the engine at one precision."""
    options = {"backbone": backbone, "precision": precision}
    return Tool(f"engine {precision}", "engine", options)


def run(settings: Settings) -> list[Figure]:
    """Measure both groups; one that lacks its pictures is noted.

    Raises
    ------
    CannotRunError
        Both do.
    """
    figures: list[Figure] = []
    missing: list[CannotRunError] = []
    for group in (_resnet50, _small_networks):
        try:
            figures += group(settings)
        except CannotRunError as error:
            missing.append(error)
    if not figures and missing:
        raise missing[0]
    for reason in missing:
        settings.note(f"a part was left out: it {reason}")
    return figures


def plots(figures: Sequence[Figure], folder: Path) -> None:
    """Draw the speeds of both groups."""
    from benchmarks.plots import bar_chart

    titles = {RESNET: "ResNet50, from files to embeddings", SMALL: "Small networks, from files"}
    for group, title in titles.items():
        speeds = [
            figure
            for figure in figures
            if figure.name.startswith(f"{group}: ")
            and figure.unit == "images/s"
            and ALONE not in figure.name
        ]
        if speeds:
            rows = [(each.name.partition(": ")[2], each.runs) for each in speeds]
            file = folder / f"{SECTION}-{group.lower().replace(' ', '-')}.png"
            bar_chart(file, title, "images/s", rows, own="engine")


def _resnet50(settings: Settings) -> list[Figure]:
    """Compare tools that run the same ResNet50 with the same weights."""
    images = settings.images("imagenet300")
    provide_resnet50(settings)
    peers = [
        Tool("img2vec_pytorch", "img2vec"),
        Tool("imagededup", "imagededup"),
        Tool("torchvision + DataLoader", "dataloader"),
    ]
    tools = [*peers]
    for precision in PRECISIONS:
        engine = engine_tool("resnet50", precision)
        tools += [engine, Tool(_alone(precision), "runtime_alone", engine.options)]
    count = 64 if settings.quick else len(images)
    timings = take_turns(tools, images, count, settings, environment(settings))
    figures = _speeds(RESNET, timings)
    for peer in peers:
        bounds = RESNET_BOUNDS if peer is not peers[-1] else {}
        figures += _compared(RESNET, timings, peer.name, bounds)
    return figures + _shares(timings)


def _small_networks(settings: Settings) -> list[Figure]:
    """Compare the embedded backbone with fastdup, by speed and by what the embeddings find."""
    images = settings.images("catalog")
    tools = [engine_tool("efficientnet_lite0", precision) for precision in PRECISIONS]
    if settings.fastdup_python is None:
        settings.note("fastdup was left out: run `make bench-fastdup` first")
    else:
        tools.append(Tool(FASTDUP, "fastdup", python=settings.fastdup_python))
    # fastdup waits for its threads in whole seconds: with too few pictures that would be most
    # of its time.
    count = 600 if settings.quick else 2400
    timings = take_turns(tools, images, count, settings, environment(settings))
    able = [tool for tool in tools if tool.name in timings]
    figures = _speeds(SMALL, timings) + _compared(SMALL, timings, FASTDUP, SMALL_BOUNDS)
    return figures + _precisions(able, images, settings)


def _alone(precision: str) -> str:
    return f"{ALONE} {precision}"


def _speeds(group: str, timings: Mapping[str, Sequence[Timing]]) -> list[Figure]:
    return [
        Figure.of(SECTION, f"{group}: {name}", _rates(taken), "images/s", note=summary(taken))
        for name, taken in timings.items()
    ]


def _compared(
    group: str,
    timings: Mapping[str, Sequence[Timing]],
    peer: str,
    bounds: Mapping[str, float],
) -> list[Figure]:
    """Return how many times faster the engine is than a peer, at each precision."""
    figures = []
    for precision in PRECISIONS:
        name = f"engine {precision}"
        if name in timings and peer in timings:
            times = ratios(_rates(timings[name]), _rates(timings[peer]))
            title = f"{group}: {name} / {peer}"
            figures.append(Figure.of(SECTION, title, times, "x", bounds.get(precision)))
    return figures


def _shares(timings: Mapping[str, Sequence[Timing]]) -> list[Figure]:
    """Return what part of the runtime's own speed is left from files to catalog."""
    figures = []
    for precision in PRECISIONS:
        whole, alone = f"engine {precision}", _alone(precision)
        if whole in timings and alone in timings:
            parts = ratios(_rates(timings[whole]), _rates(timings[alone]))
            bound = ALONE_BOUNDS.get(precision)
            figures.append(Figure.of(SECTION, f"{RESNET}: {whole} / {alone}", parts, "x", bound))
    return figures


def _precisions(tools: Sequence[Tool], images: Sequence[Path], settings: Settings) -> list[Figure]:
    """Return P@1 and P@10 of each tool's embeddings, each picture searched among the others."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        file = Path(temporary) / "features.npy"
        with staged(images, len(images)) as photos:
            for tool in tools:
                try:
                    run_tool(tool, photos, environment(settings), file)
                except ToolError as error:
                    settings.note(f"no P@1 and P@10 of {tool.name}: {error}")
                    continue
                found[tool.name] = precision_at(np.load(file), photos.labels, (1, 10))
    to_beat = found.get(FASTDUP)
    note = f"{len(images)} photos, leave one out, cosine; the same in every run"
    figures = []
    for name, (first, ten) in found.items():
        bound = to_beat[1] if to_beat and name != FASTDUP else None
        figures.append(Figure.of(SECTION, f"{SMALL}: P@1 of {name}", [first], "", note=note))
        figures.append(Figure.of(SECTION, f"{SMALL}: P@10 of {name}", [ten], "", bound, note=note))
    return figures


def _rates(timings: Sequence[Timing]) -> list[float]:
    return [timing.rate for timing in timings]
