"""Running tools, each in a process of its own, and all of them in turn."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.peers.job import Job
from benchmarks.settings import REPOSITORY, Settings
from benchmarks.support.images import Staged, staged

# A catalog in int8 is not made with fewer pictures.
FEW = 24


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that embeds pictures.

    Attributes
    ----------
    name
        What the report calls it.
    module
        Its file in `benchmarks.peers`.
    options
        What it is told beside the pictures.
    python
        The interpreter that has it.
    """

    name: str
    module: str
    options: Mapping[str, str] = field(default_factory=dict)
    python: Path = Path(sys.executable)


@dataclass(frozen=True, slots=True)
class Timing:
    """One run of a tool: seconds for the pictures, and seconds until it was ready for them."""

    images: int
    seconds: float
    setup_seconds: float
    peak_rss_mb: float
    version: str = ""

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.images / self.seconds


class ToolError(Exception):
    """A tool could not do its job; the message says why."""


def console() -> list[str]:
    """Return the command `engine` of this interpreter."""
    script = Path(sys.executable).with_name("engine")
    return [str(script)] if script.exists() else [sys.executable, "-m", "cli.main"]


def run_tool(
    tool: Tool, images: Staged, environment: Mapping[str, str], features: Path | None = None
) -> Timing:
    """Run a tool once.

    Raises
    ------
    ToolError
        It failed, or says that it cannot.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        file = Path(work) / "job.json"
        Job(
            str(images.folder),
            [str(path) for path in images.files],
            str(images.warm_up_folder),
            [str(path) for path in images.warm_up],
            work,
            str(features) if features else None,
            dict(tool.options),
        ).write(file)
        command = [str(tool.python), "-m", f"benchmarks.peers.{tool.module}", str(file)]
        done = subprocess.run(
            command, env=dict(environment), cwd=REPOSITORY, capture_output=True, text=True
        )
    if done.returncode != 0:
        # Not into the report: a traceback is full of this machine's paths.
        print(done.stderr, file=sys.stderr)
        raise ToolError(f"it failed with exit code {done.returncode}; stderr says why")
    facts = json.loads(done.stdout.splitlines()[-1])
    if "skipped" in facts:
        raise ToolError(facts["skipped"])
    return Timing(**facts)


def take_turns(
    tools: Sequence[Tool],
    images: Sequence[Path],
    count: int,
    settings: Settings,
    environment: Mapping[str, str],
) -> dict[str, list[Timing]]:
    """Run tools A B C A B C ..., so that a busy minute of the machine hits all of them.

    Each is tried on a few pictures first: that fills the caches of compiled models, and shows
    which tools cannot run here. Those are noted and left out.
    """
    with staged(images, FEW) as few:
        able = [tool for tool in tools if _works(tool, few, settings, environment)]
    timings: dict[str, list[Timing]] = {tool.name: [] for tool in able}
    with staged(images, count) as many:
        for number in range(1, settings.runs + 1):
            for tool in able:
                timing = run_tool(tool, many, environment)
                timings[tool.name].append(timing)
                rate = f"{timing.rate:.1f} images/s"
                settings.say(f"run {number} of {settings.runs}: {tool.name}: {rate}")
    return timings


def _works(tool: Tool, few: Staged, settings: Settings, environment: Mapping[str, str]) -> bool:
    try:
        run_tool(tool, few, environment)
    except ToolError as error:
        settings.note(f"{tool.name} was left out: {error}")
        return False
    return True


def summary(timings: Sequence[Timing]) -> str:
    """Return what stands beside a tool's speed: its version, its start, its memory."""
    setup = median(timing.setup_seconds for timing in timings)
    peak = median(timing.peak_rss_mb for timing in timings)
    version = timings[0].version
    parts = [f"version {version}"] if version else []
    return ", ".join([*parts, f"ready after {setup:.1f} s", f"peak {peak:.0f} MB"])
