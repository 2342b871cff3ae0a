"""One question to a large store, from an empty process: what a person waits for."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import AT_MOST, Figure, ratios
from benchmarks.settings import Settings
from benchmarks.support.filled_store import FilledStore, fill_store
from benchmarks.support.import_times import profile_imports
from benchmarks.support.tools import console
from benchmarks.support.weights import environment, provide_resnet50

SECTION = "cold-start"
ANSWER_SECONDS = 1.0
HELP_SECONDS = 0.25
SHARE_OF_SCRIPT = 0.40
SCRIPT = "torch script"


def run(settings: Settings) -> list[Figure]:
    """Time whole processes, the caches of files and models warm."""
    photos = settings.images("catalog")
    provide_resnet50(settings)
    size = 5_000 if settings.quick else 100_000
    some = photos[:: max(1, len(photos) // (20 if settings.quick else 200))]
    backbones = ("efficientnet_lite0",) if settings.quick else ("efficientnet_lite0", "resnet50")
    figures: list[Figure] = []
    for backbone in backbones:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            settings.say(f"filling a store with {size:,} images of {backbone}")
            cache = settings.cache / "engine"
            filled = fill_store(Path(folder), some, size, backbone, cache)
            figures += _measured(settings, filled, some[len(some) // 2], backbone, size)
    return figures


def _measured(
    settings: Settings, filled: FilledStore, photo: Path, backbone: str, size: int
) -> list[Figure]:
    variables = environment(settings) | {"ENGINE_STORE": str(filled.store)}
    search = ["search", str(photo), "--paths"]
    commands = {
        "engine search": [*console(), *search],
        "engine classify": [*console(), "classify", str(photo)],
        "engine --help": [*console(), "--help"],
        SCRIPT: _script(photo, filled, backbone, settings),
    }
    # The first look makes the index; the second one finds everything where it will be.
    answers = [_answer(command, variables) for command in commands.values() for _ in range(2)]
    first = [answer.splitlines()[0] for answer in (answers[1], answers[-1])]
    if not first[1].endswith(first[0]):
        settings.note(f"{backbone}: the engine and the {SCRIPT} disagree about the nearest image")
    times = _in_turn(commands, variables, settings)
    if backbone == "efficientnet_lite0":
        settings.out.mkdir(parents=True, exist_ok=True)
        table = profile_imports(search, variables)
        (settings.out / "importtime.txt").write_text(table, encoding="utf-8")
    return _figures(times, f"{backbone}, {size:,} images")


def _script(photo: Path, filled: FilledStore, backbone: str, settings: Settings) -> list[str]:
    from engine.backbones.table import backbone_named
    from engine.backbones.weights import WeightsCache

    weights = WeightsCache(settings.cache / "engine").find(backbone_named(backbone))
    assert weights is not None
    arguments = (photo, filled.vectors, filled.paths, backbone, weights.path)
    module = "benchmarks.peers.torch_search"
    return [sys.executable, "-m", module, *(str(argument) for argument in arguments)]


def _in_turn(
    commands: Mapping[str, Sequence[str]], variables: Mapping[str, str], settings: Settings
) -> dict[str, list[float]]:
    """Run the commands A B C A B C ... and return the seconds of each."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(1, settings.runs + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            _answer(command, variables)
            times[name].append(time.perf_counter() - started)
            settings.say(f"run {number} of {settings.runs}: {name}: {times[name][-1]:.2f} s")
    return times


def _answer(command: Sequence[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=dict(variables), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def _figures(times: Mapping[str, Sequence[float]], where: str) -> list[Figure]:
    figures = []
    for name in ("engine search", "engine classify"):
        share = ratios(times[name], times[SCRIPT])
        title = f"{name} ({where})"
        figures += [
            Figure.of(SECTION, title, times[name], "s", ANSWER_SECONDS, AT_MOST),
            Figure.of(SECTION, f"{title} / {SCRIPT}", share, "x", SHARE_OF_SCRIPT, AT_MOST),
        ]
    script = Figure.of(SECTION, f"{SCRIPT} ({where})", times[SCRIPT], "s")
    help_ = times["engine --help"]
    title = f"engine --help (measured beside {where})"
    return [*figures, script, Figure.of(SECTION, title, help_, "s", HELP_SECONDS, AT_MOST)]
