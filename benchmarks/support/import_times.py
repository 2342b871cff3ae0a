"""Where the start of a command goes: Python's own `-X importtime`, as a table."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")
TOP = 20


@dataclass(frozen=True, slots=True)
class Imported:
    """One module: milliseconds of its own, and with all that it imports."""

    name: str
    own_ms: float
    whole_ms: float


def profile_imports(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run an `engine` command and return what importing cost, by package and by module."""
    command = [sys.executable, "-X", "importtime", "-m", "cli.main", *arguments]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
    done.check_returncode()
    modules = parse(done.stderr)
    packages: dict[str, float] = defaultdict(float)
    for module in modules:
        packages[module.name.partition(".")[0]] += module.own_ms
    heaviest = sorted(packages.items(), key=lambda pair: -pair[1])[:TOP]
    longest = sorted(modules, key=lambda module: -module.whole_ms)[:TOP]
    total = sum(packages.values())
    lines = [f"engine {arguments[0]}: {len(modules)} modules, {total:.0f} ms of importing"]
    lines += ["", "  own ms  package"]
    lines += [f"{ms:8.1f}  {name}" for name, ms in heaviest]
    lines += ["", "whole ms    own ms  module (whole: with all that it imports)"]
    lines += [f"{each.whole_ms:8.1f}  {each.own_ms:8.1f}  {each.name}" for each in longest]
    return "\n".join(lines) + "\n"


def parse(text: str) -> list[Imported]:
    """Read what `-X importtime` prints, in microseconds."""
    return [
        Imported(name, int(own) / 1000, int(whole) / 1000)
        for own, whole, name in LINE.findall(text)
    ]
