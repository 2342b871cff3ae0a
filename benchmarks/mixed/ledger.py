"""What a service has answered, and so has to keep, and how its memory grows."""

from __future__ import annotations

import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

# Beside 2xx: too much at once, or a job holds the store.
ALLOWED = (409, 429, 503)
# Of a process's life after its warm-up, what is compared at either end.
PART = 0.25
GROWTH = 0.1


@dataclass
class Ledger:
    """What clients were answered, all of them together.

    Attributes
    ----------
    statuses
        By route and status.
    lost
        Requests that were under way when the service was killed.
    broken
        Those that got no answer at any other time.
    labels
        The label that each image has, of those that were set; several where the last answer was
        cut off: it may have been set or not.
    deleted
        Paths of images that were forgotten.
    sent
        Hashes of pictures that were taken.
    heads
        Names of heads whose training was done.
    jobs
        Ids of jobs that were taken, oldest first.
    judged
        Images that were judged to show a category.
    examples
        One problem of each kind that was not allowed.
    """

    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    lost: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    labels: dict[int, set[str]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    heads: set[str] = field(default_factory=set)
    jobs: list[str] = field(default_factory=list)
    judged: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    examples: dict[str, str] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def answered(self, route: str, status: int, said: bytes) -> None:
        """Count an answer."""
        with self.lock:
            self.statuses[route][status] += 1
            if not is_allowed(status):
                self.examples.setdefault(f"{route} {status}", said[:300].decode(errors="replace"))

    def table(self) -> str:
        """Return the answers as a table of Markdown."""
        lines = ["| route | answers by status |", "|---|---|"]
        for route, statuses in sorted(self.statuses.items()):
            told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
            lines.append(f"| {route} | {told} |")
        lines.append(f"| cut off by the kill | {sum(self.lost.values())} |")
        return "\n".join(lines)

    def problems(self) -> list[str]:
        """Return the answers that should not be."""
        return [*(f"{what}: {said}" for what, said in self.examples.items()), *self.broken]


def is_allowed(status: int) -> bool:
    """Say whether a service under load may answer so."""
    return 200 <= status < 300 or status in ALLOWED


class Memory:
    """The memory of a process, looked at every second.

    Parameters
    ----------
    pid
        Which process; it is followed from now on: its warm-up is over.
    """

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._began = time.monotonic()
        self._ended = Event()
        self.samples: list[tuple[float, float]] = []
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    @property
    def growth(self) -> float:
        """By what share its last part is above its first, 0 where there is too little to say."""
        part = int(PART * len(self.samples))
        if not part:
            return 0.0
        megabytes = [each for _, each in self.samples]
        first, last = megabytes[:part], megabytes[-part:]
        return statistics.median(last) / statistics.median(first) - 1

    def line(self, name: str) -> str:
        """Return ten samples over time."""
        step = max(1, len(self.samples) // 10)
        shown = " ".join(f"{megabytes:.0f}" for _, megabytes in self.samples[::step])
        return f"RSS of {name} process, MB over time: {shown} ({self.growth:+.1%})"

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            try:
                text = self._status.read_text()
            except OSError:
                return
            for line in text.splitlines():
                if line.startswith("VmRSS:"):
                    seconds = time.monotonic() - self._began
                    self.samples.append((seconds, int(line.split()[1]) / 1024))
