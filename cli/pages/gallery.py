"""Search results and doubted labels as pages that a person would rather look at."""

from __future__ import annotations

import os
from pathlib import Path

from cli.pages.html import Card, Guess, Section, write_page
from engine.learning.results import SuspectReport
from engine.pictures.sources.paths import absolute, exists
from engine.pictures.urls import is_url
from engine.search.results import SearchReport, Understood


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
        Card(absolute(image), os.path.basename(image) or image)
        for image in report.images
        if exists(image) and not is_url(image)
    ]
    searched = "; ".join([*words_told(report), *_category_told(report)])
    sections = [
        Section("Searched for", searched, cards=queries),
        Section(f"Found {len(report)}", _found(report), cards=result_cards(report)),
    ]
    write_page(file, "Pictures that look alike", report.query, sections, force=force)


def _category_told(report: SearchReport) -> list[str]:
    return [f"within {report.category}"] if report.category else []


def words_told(report: SearchReport) -> list[str]:
    """Return what each text of a query was taken for."""
    return [_word_told(each) for each in report.understood]


def _word_told(each: Understood) -> str:
    text = f"{each.text} (subtracted)" if each.subtracted else each.text
    if not each.categories:
        return f"{text}: not understood"
    return f"{text}: understood as {', '.join(each.categories)}"


def _found(report: SearchReport) -> str:
    if report.results and report.close is False:
        return "Nothing is close: even the most similar picture is unlike what was searched for."
    return report.why_empty or order_told(report)


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
                Guess(f"{each.label} (its label)", each.probability, right=False),
            ],
        )
        for each in report
    ]
    text = f"{report.doubted} of {report.images} labels are doubted."
    shown = "Each picture was judged by layers that had not seen it."
    sections = [Section(f"Listed: {len(report)}", shown, cards=cards)]
    write_page(file, "Pictures whose label is doubted", text, sections, force=force)


def order_told(report: SearchReport) -> str:
    """Return a sentence on the order of hits, none where the numbers on them show it."""
    if not report.results or report.order == "plain":
        return ""
    return "What looks like a picture counts for its place, too; the numbers are its own score."


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
