"""How much memory indexing takes, and whether that grows with the number of pictures."""

from __future__ import annotations

from benchmarks.figures import AT_MOST, Figure, ratios
from benchmarks.sections.embedding import engine_tool
from benchmarks.settings import Settings
from benchmarks.support.images import staged
from benchmarks.support.tools import run_tool
from benchmarks.support.weights import environment, provide_resnet50

SECTION = "memory"
PEAK_MB = 1200.0
GROWTH = 1.05


def run(settings: Settings) -> list[Figure]:
    """Index few and many pictures with ResNet50 and compare the peaks."""
    images = settings.images("imagenet300")
    provide_resnet50(settings)
    counts = (400, 2_000) if settings.quick else (2_000, 10_000)
    # Peaks differ by little, and a quick look should be quick.
    runs = 1 if settings.quick else settings.runs
    tool = engine_tool("resnet50", "bf16")
    with staged(images, 3) as few:
        # Converting and compiling the network takes more memory than any run, once.
        run_tool(tool, few, environment(settings))
    peaks: dict[int, list[float]] = {count: [] for count in counts}
    for number in range(1, runs + 1):
        for count in counts:
            with staged(images, count) as many:
                timing = run_tool(tool, many, environment(settings))
            peaks[count].append(timing.peak_rss_mb)
            settings.say(f"run {number} of {runs}: {count} pictures: {timing.peak_rss_mb:.0f} MB")
    less, more = counts
    title = "ResNet50 bf16: peak memory, {:,} pictures"
    return [
        Figure.of(SECTION, title.format(less), peaks[less], "MB"),
        Figure.of(SECTION, title.format(more), peaks[more], "MB", PEAK_MB, AT_MOST),
        Figure.of(
            SECTION,
            f"ResNet50 bf16: peak of {more:,} / {less:,} pictures",
            ratios(peaks[more], peaks[less]),
            "x",
            GROWTH,
            AT_MOST,
        ),
    ]
