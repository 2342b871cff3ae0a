"""Search results and doubted labels as pages that a person would rather look at."""

from __future__ import annotations

import os
from pathlib import Path

from cli.pages.html import Card, Guess, Section, write_page
from engine.learning.results import SuspectReport
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
    if report.results and report.order == "fused":
        return "In the order of their surroundings, too; the number is the cosine of each."
    return report.why_empty or ""


def write_suspects_page(report: SuspectReport, file: Path, *, force: bool = False) -> None:
    """Write a gallery of the pictures whose labels are doubted most.

    Raises
    ------
    UsageError
        The file exists, and `force` is not set.
    EngineError
        It cannot be written.
    """
    cards = [
        Card(
            each.path,
            f"{each.label}: rather {each.suggestion}?" if each.margin > 0 else each.label,
            [f"margin {each.margin:.3f}", os.path.basename(each.path)],
            guesses=[
                Guess(each.suggestion, each.suggestion_probability, right=False),
                Guess(each.label, each.probability, right=True),
            ],
        )
        for each in report
    ]
    text = f"{report.doubted} of {report.images} labels are doubted."
    shown = "Each picture was judged by layers that had not seen it. The label it has is marked."
    sections = [Section(f"Listed: {len(report)}", shown, cards=cards)]
    write_page(file, "Pictures whose label is doubted", text, sections, force=force)


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
