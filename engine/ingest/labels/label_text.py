"""Names as text: what a folder, a cell of a table or an option says, and when two say the same.

Unicode has two ways to write many letters, file systems keep or change the one that they are given,
and older systems wrote bytes that are no UTF-8. Here all of them become one text (docs/catalog.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from index.names import composed, read_text, readable, same_name

# So many labels that were spelled otherwise are told.
NOTED = 3


def label_text(name: str) -> str:
    """Return a name as a label: readable, composed (NFC), without outer spaces."""
    return composed(readable(name)).strip()


def path_text(path: str) -> str:
    """Return what a path says, however its bytes write it: the same for NFC, NFD and legacy names.

    Each name in it is read for itself, since they may be of different systems.
    """
    if path.isascii():
        return path
    names = [read_text(os.fsencode(name)) for name in path.split(os.sep)]
    return composed(os.sep.join(names))


class Spelling:
    """One spelling of labels that differ by case alone: the one that was met first.

    Parameters
    ----------
    labels
        Those that are met before all others.
    """

    def __init__(self, labels: Iterable[str] = ()) -> None:
        self._first: dict[str, str] = {}
        self._others: dict[str, set[str]] = {}
        self.add(labels)

    def add(self, labels: Iterable[str]) -> None:
        """Meet labels."""
        for label in labels:
            self.of(label)

    def of(self, label: str) -> str:
        """Return how a label is spelled."""
        first = self._first.setdefault(same_name(label), label)
        if first != label:
            self._others.setdefault(first, set()).add(label)
        return first

    def notes(self, most: int = NOTED) -> list[str]:
        """Return what is to be said where labels were spelled otherwise, none where none was."""
        told = [f"{' and '.join(sorted(each))} as {first}" for first, each in self._others.items()]
        more = f" and {len(told) - most} more" if len(told) > most else ""
        spelled = ", ".join(told[:most]) + more
        return [f"labels that differ in case alone are one: {spelled}"] if told else []
