"""Groups of duplicates as a page: what should stay beside what may go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cli.pages.html import Card, Section, write_page
from engine.search.results import DuplicateGroup

# A page holds a small copy of every picture on it.
MOST_GROUPS, MOST_OF_A_GROUP = 200, 24
KINDS = {
    "exact": "the same content",
    "copy": "copies of one picture",
    "similar": "pictures that look alike",
    "blank": "pictures with hardly anything to see",
}


def write_duplicates_page(
    groups: Sequence[DuplicateGroup], file: Path, *, force: bool = False
) -> None:
    """Write a gallery of groups of duplicates.

    Raises
    ------
    UsageError
        The file exists, and `force` is not set.
    EngineError
        It cannot be written.
    """
    pictures = sum(len(group.paths) for group in groups)
    text = f"{_counted(len(groups), 'group')} of {_counted(pictures, 'picture')}"
    if len(groups) > MOST_GROUPS:
        text += f"; the first {MOST_GROUPS} are shown"
    sections = [
        _section(number, group) for number, group in enumerate(groups[:MOST_GROUPS], start=1)
    ]
    write_page(file, "Pictures that are there more than once", f"{text}.", sections, force=force)


def _section(number: int, group: DuplicateGroup) -> Section:
    shown = group.paths[:MOST_OF_A_GROUP]
    left_out = len(group.paths) - len(shown)
    text = f"Lowest similarity {group.score:.3f}."
    if left_out:
        text += f" {_counted(left_out, 'picture')} more in this group."
    removable = set(group.removable)
    cards = [
        Card(path, _verdict(path, group.keep, removable), [os.path.basename(path)])
        for path in shown
    ]
    return Section(
        f"{number}.  {KINDS.get(group.kind, group.kind).capitalize()}", text, cards=cards
    )


def _verdict(path: str, keep: str, removable: set[str]) -> str:
    if path == keep:
        return "stays"
    return "may go" if path in removable else "look first"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
