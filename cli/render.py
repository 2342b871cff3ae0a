"""What is printed: answers on stdout, as a table, JSON or CSV, and conversation on stderr.

Text for people holds no control characters and no broken bytes, whatever file names hold. Nor does
anything else hold them where stdout is a terminal; in a pipe paths and CSV are the bytes they are.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from engine.progress import Reporter

if TYPE_CHECKING:
    from cli.progress import Bars

SKIPPED = 3
# JSON itself escapes those below the space. Others move a terminal, too: DEL, the second set of
# control characters, marks that turn the direction of writing. Half a surrogate pair is no UTF-8.
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def write(text: str) -> None:
    """Write an answer to stdout, file names as the bytes they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(as_bytes(text))
    sys.stdout.flush()


def as_bytes(text: str) -> bytes:
    """Return text as UTF-8, names as the bytes they are; half a surrogate pair is escaped."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def tell(*lines: str) -> None:
    """Write sentences for people to stdout, each on a line of its own whatever it holds."""
    write("".join(f"{shown(line)}\n" for line in lines))


def write_json(value: object) -> None:
    """Write a result, or a list of them, as JSON."""
    from engine.export.plain import plain

    text = json.dumps(plain(value), indent=2, ensure_ascii=False)
    # Lone surrogates stand for bytes that are no UTF-8; escaped, Python reads them back.
    write(_UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def write_paths(paths: Iterable[str], *, null: bool = False) -> None:
    """Write paths alone, one on a line, or each ended by NUL.

    For programs they are the bytes they are; on a terminal they are made safe to look at.
    """
    end = "\0" if null else "\n"
    as_seen = _as_seen()
    write("".join(as_seen(path) + end for path in paths))


def write_csv(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table for a spreadsheet; what it would take for a formula is a text (`guarded`)."""
    as_seen = _as_seen()
    write(csv_text(headings, ([_cell_as(as_seen, each) for each in row] for row in rows)))


def csv_text(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV that is safe to open in a spreadsheet."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(headings)
    from engine.export.spreadsheet import guarded

    writer.writerows([guarded(cell) for cell in row] for row in rows)
    return lines.getvalue()


def _cell_as(as_seen: Callable[[str], str], cell: object) -> object:
    return as_seen(cell) if isinstance(cell, str) else cell


def _as_seen() -> Callable[[str], str]:
    """Return what to do with names: nothing, or where stdout is a terminal what `shown` does."""
    return shown if sys.stdout.isatty() else str


def rank_heading(order: str) -> str:
    """Return the heading of the ranks of hits, with what they are by where it is not the score."""
    return "rank" if order == "plain" else f"rank ({order})"


def write_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table for people; numbers to the right, the header in bold on a terminal."""
    cells = [[cell if isinstance(cell, str) else _cell(cell) for cell in row] for row in rows]
    cells = [[shown(cell) for cell in row] for row in cells]
    widths = [max(len(row[i]) for row in [list(headings), *cells]) for i in range(len(headings))]
    right = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(headings))]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    write(bold(line(headings)) + "\n" + "".join(line(row) + "\n" for row in cells))


def bold(text: str) -> str:
    """Return text in bold where stdout is a terminal and NO_COLOR is not set."""
    wanted = _is_terminal(sys.stdout) and "NO_COLOR" not in os.environ
    return f"\033[1m{text}\033[0m" if wanted else text


def shown(text: str) -> str:
    """Return text that is safe to print: no control characters, no broken bytes."""
    if text.isprintable():
        return text
    escaped = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
    return escaped.encode("utf-8", "backslashreplace").decode("utf-8")


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share as people write it, a dash where there is none."""
    if share is None or not math.isfinite(share):
        return "-"
    return f"{100 * share:.{digits}f} %"


def figure(share: float | None) -> str:
    """Return a figure with three digits, a dash where there is none."""
    return _cell(share)


def against_baseline(balanced: str, baseline: str) -> str:
    """Return what to hold an accuracy against: that of every category, and that of no skill."""
    return (
        f"balanced accuracy {balanced}; {baseline} by always answering the most frequent category"
    )


def say(text: str) -> None:
    """Print a line of conversation on stderr."""
    # In one piece, so that lines of several threads do not mix.
    print(f"{shown(text)}\n", end="", file=sys.stderr, flush=True)


class ConsoleReporter(Reporter):
    """Announcements as lines on stderr, and progress as bars where stderr is a terminal.

    It may be called from any thread. Close it when the work is over: bars of tasks that never came
    to their end go, and the terminal has its cursor back.
    """

    def __init__(self) -> None:
        self._bars: Bars | None = None
        if _is_terminal(sys.stderr):
            from cli.progress import Bars

            self._bars = Bars(sys.stderr)

    def announce(self, text: str) -> None:
        """Print a line."""
        if self._bars is not None:
            self._bars.print_line(text)
            return
        # Whoever listened has gone: the work goes on.
        with suppress(OSError, ValueError):
            say(text)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Move the bar of a task."""
        if self._bars is not None:
            self._bars.update(task, done, total, unit)

    def close(self) -> None:
        """Take away what bars there are."""
        if self._bars is not None:
            self._bars.close()


def _is_terminal(stream: TextIO) -> bool:
    """Whether a stream goes to a terminal that can do more than lines of text."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).replace("-", "", 1).replace(",", "").isdigit()
