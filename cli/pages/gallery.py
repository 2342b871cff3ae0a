"""Search results as a page that a person would rather look at."""

from __future__ import annotations

import os
from pathlib import Path

from cli.pages.html import Card, Section, write_page
from engine.search.results import SearchReport


def write_search_page(report: SearchReport, file: Path, *, force: bool = False) -> None:
    """Write a gallery of what was searched for and what was found.

    Raises
    ------
    UsageError
        The file exists, and `force` is not set.
    EngineError
        It cannot be written.
    """
    queries = [
        Card(os.path.abspath(image), os.path.basename(image) or image)
        for image in report.images
        if os.path.exists(image)
    ]
    searched = f"within {report.category}" if report.category else ""
    sections = [
        Section("Searched for", searched, cards=queries),
        Section(f"Found {len(report)}", _found(report), cards=result_cards(report)),
    ]
    write_page(file, "Pictures that look alike", report.query, sections, force=force)


def _found(report: SearchReport) -> str:
    if report.results and report.close is False:
        return "Nothing is close: even the most similar picture is unlike what was searched for."
    return report.why_empty or ""


def result_cards(report: SearchReport) -> list[Card]:
    """Return one card for each hit."""
    return [
        Card(
            hit.path,
            f"{hit.rank}.  {hit.score:.3f}",
            [
                line
                for line in (_facts(hit.label, hit.category), os.path.basename(hit.path))
                if line
            ],
            hit.score,
        )
        for hit in report
    ]


def _facts(label: str | None, category: str | None) -> str:
    if label and category and label != category:
        return f"{label} (looks like {category})"
    return label or (f"looks like {category}" if category else "")
