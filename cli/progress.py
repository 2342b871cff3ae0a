"""Progress bars on a terminal, drawn by whichever thread reports progress."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from cli.render import shown

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# A bar for something that is over at once would only flicker.
PATIENCE_SECONDS = 0.4
# Least time between two drawings.
REDRAW_SECONDS = 0.1


class Bars:
    """A bar for each task that lasts, with amount, rate and time left, and lines above the bars.

    Every method may be called from any thread. None raises an `Exception`: a terminal that fails
    ends the bars, not the work.

    Parameters
    ----------
    stream
        The terminal.
    patience
        Seconds that a task lasts before it has a bar.
    """

    def __init__(self, stream: TextIO, patience: float = PATIENCE_SECONDS) -> None:
        self._stream = stream
        self._patience = patience
        # Guards everything below, and the drawing: no other thread of this class or of rich draws.
        self._lock = threading.Lock()
        self._display: Progress | None = None
        self._begun: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._drawn = 0.0
        self._failed = False

    def update(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Move a task's bar; at `done == total` the task is over and its bar goes."""
        with self._lock:
            try:
                if total is not None and done >= total:
                    self._finish(task)
                elif not self._failed:
                    self._move(task, done, total, unit)
            except Exception:
                self._give_up()

    def print_line(self, text: str) -> None:
        """Print a line of text, above the bars where there are any."""
        with self._lock:
            if self._display is not None:
                try:
                    _print_above(self._display, shown(text))
                    return
                except Exception:
                    self._give_up()
            # OSError: the terminal is gone; ValueError: the stream is closed.
            with suppress(OSError, ValueError):
                self._stream.write(f"{shown(text)}\n")
                self._stream.flush()

    def close(self) -> None:
        """Take all bars away, also those of tasks that never came to their end."""
        with self._lock:
            self._begun.clear()
            try:
                self._stop()
            except Exception:
                self._give_up()

    def _move(self, task: str, done: int, total: int | None, unit: str) -> None:
        now = time.monotonic()
        if now - self._begun.setdefault(task, now) < self._patience:
            return
        if self._display is None:
            self._display = _new_display(self._stream)
            self._display.start()
        if task not in self._tasks:
            self._tasks[task] = self._display.add_task(shown(task), total=None, unit=unit)
        self._display.update(self._tasks[task], completed=done, total=total)
        if now - self._drawn >= REDRAW_SECONDS:
            self._display.refresh()
            self._drawn = now

    def _finish(self, task: str) -> None:
        self._begun.pop(task, None)
        task_id = self._tasks.pop(task, None)
        if self._display is None or task_id is None:
            return
        self._display.remove_task(task_id)
        if self._tasks:
            self._display.refresh()
        else:
            self._stop()

    def _stop(self) -> None:
        self._tasks.clear()
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _give_up(self) -> None:
        self._failed = True
        # rich gives stderr back before it draws for the last time, which may fail as well.
        with suppress(Exception):
            self._stop()
        self._display = None


def _print_above(display: Progress, text: str) -> None:
    from rich.text import Text

    # As it is: neither markup nor line breaks of rich's own.
    display.console.print(Text(text), soft_wrap=True)


def _new_display(stream: TextIO) -> Progress:
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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Amount(),
        TimeRemainingColumn(),
        console=Console(file=stream),
        # A thread of rich's own would fail where nobody can catch it.
        auto_refresh=False,
        transient=True,
        # stdout is for answers alone.
        redirect_stdout=False,
    )
