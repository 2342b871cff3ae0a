"""What is kept of a run: results.json, and the same for people in REPORT.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.sections import SECTIONS
from benchmarks.settings import Settings
from benchmarks.support.machine import describe_machine

HEADERS = ("figure", "value", "bound", "verdict", "runs", "note")


@dataclass(frozen=True, slots=True)
class Results:
    """Everything measured so far, of this run and of earlier ones.

    Attributes
    ----------
    machine
        Facts about the machine of the latest run, by name.
    sections
        Date, number of runs and notes of each section, by name.
    figures
        All figures.
    """

    machine: dict[str, str]
    sections: dict[str, dict[str, Any]]
    figures: list[Figure]

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Return the results kept in a folder, empty ones where there are none."""
        try:
            kept = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            figures = [Figure.from_dict(facts) for facts in kept["figures"]]
            return cls(kept["machine"], kept["sections"], figures)
        except (OSError, ValueError, KeyError, TypeError):
            return cls({}, {}, [])

    def replaced(self, section: str, figures: Iterable[Figure], settings: Settings) -> Results:
        """Return the results with one section measured anew."""
        facts = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "quick": settings.quick,
            "runs": settings.runs,
            "notes": list(settings.notes),
        }
        kept = [figure for figure in self.figures if figure.section != section]
        return Results(describe_machine(), self.sections | {section: facts}, [*kept, *figures])

    def write(self, folder: Path) -> None:
        """Write results.json and REPORT.md."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "machine": self.machine,
            "sections": self.sections,
            "figures": [figure.to_dict() for figure in self.figures],
        }
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        (folder / "results.json").write_text(text + "\n", encoding="utf-8")
        (folder / "REPORT.md").write_text(self.markdown(folder), encoding="utf-8")

    def of(self, section: str) -> list[Figure]:
        """Return the figures of one section."""
        return [figure for figure in self.figures if figure.section == section]

    def markdown(self, folder: Path) -> str:
        """Return the report as Markdown; pictures in `folder` are shown with their section."""
        lines = ["# Benchmarks", "", "Made by `make bench`. A value is the median of its runs.", ""]
        lines += ["| machine | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in self.machine.items()]
        known = [name for name in SECTIONS if name in self.sections]
        for name in [*known, *sorted(set(self.sections) - set(known))]:
            facts = self.sections[name]
            quick = "; a quick look, not a result" if facts["quick"] else ""
            lines += ["", f"## {name}", "", f"Measured on {facts['date']}{quick}.", ""]
            lines += [f"* {note}" for note in facts["notes"]] + [""] * bool(facts["notes"])
            lines += markdown_table(self.of(name))
            for plot in sorted(folder.glob(f"{name}-*.png")):
                lines += ["", f"![{plot.stem}]({plot.name})"]
        return "\n".join(lines) + "\n"


def markdown_table(figures: Sequence[Figure]) -> list[str]:
    """Return the lines of a Markdown table."""
    if not figures:
        return ["No figures."]
    rows = [f"| {' | '.join(_cells(figure))} |" for figure in figures]
    return [f"| {' | '.join(HEADERS)} |", "|---|--:|--:|---|--:|---|", *rows]


def plain_table(figures: Sequence[Figure]) -> str:
    """Return a table for a terminal."""
    rows = [HEADERS[:5], *(_cells(figure)[:5] for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ("  ".join(_padded(row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    left = (0, 3)
    return [
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _cells(figure: Figure) -> tuple[str, ...]:
    bound = "-" if figure.bound is None else f"{figure.sense} {_number(figure.bound)}"
    value = f"{_number(figure.value)} {figure.unit}".rstrip()
    return figure.name, value, bound, figure.verdict, str(len(figure.runs)), figure.note


def _number(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
