"""Progress bars and announcements, on stderr."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from cli.render import shown
from engine.progress import Reporter

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# A bar for something that is over at once would only flicker.
PATIENCE_SECONDS = 0.4


class ConsoleReporter(Reporter):
    """Prints announcements, and draws a bar with rate and time left where there is a terminal."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}

    def announce(self, text: str) -> None:
        """Print a line."""
        self._stop()
        print(shown(text), file=sys.stderr, flush=True)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Move a bar; it goes when the task is done."""
        if not sys.stderr.isatty():
            return
        now = time.monotonic()
        begun = self._started.setdefault(task, now)
        finished = total is not None and done >= total
        if task not in self._tasks:
            if finished or now - begun < PATIENCE_SECONDS:
                return
            self._start(task, unit)
        assert self._bars is not None
        self._bars.update(self._tasks[task], completed=done, total=total)
        if finished:
            self._bars.remove_task(self._tasks.pop(task))
            self._started.pop(task)
            if not self._tasks:
                self._stop()

    def _start(self, task: str, unit: str) -> None:
        if self._bars is None:
            self._bars = _new_bars()
            self._bars.start()
        self._tasks[task] = self._bars.add_task(task, total=None, unit=unit)

    def _stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()


def _new_bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Task as RichTask
    from rich.text import Text

    class Amount(ProgressColumn):
        """How much of how much, and how fast."""

        def render(self, task: RichTask) -> Text:
            scale, unit = (
                (1e6, "MB") if task.fields["unit"] == "bytes" else (1, task.fields["unit"])
            )
            total = f"/{task.total / scale:,.0f}" if task.total else ""
            rate = f"  {task.speed / scale:,.1f} {unit}/s" if task.speed else ""
            return Text(f"{task.completed / scale:,.0f}{total} {unit}{rate}")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        Amount(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
