"""Where an image's label comes from: its folder, a table, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from engine.ingest.label_table import read_label_table
from engine.ingest.label_text import Spelling, label_text, path_text
from engine.skipped import Skipped

# Who returns the labels that are in use; a rule that makes none does not ask.
InUse: TypeAlias = Callable[[], Iterable[str]]


class Labels(Protocol):
    """A rule that gives each image its label."""

    def expect(self, paths: Sequence[str], labels: InUse = tuple) -> None:
        """Hear of all files there are, in order of path, before the first is asked about.

        Parameters
        ----------
        labels
            Returns those that are in use already: their spelling stays.
        """
        return

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the label of the image at `path`, which had `existing`; any thread may ask."""

    def unused(self) -> list[Skipped]:
        """Return what the rule was given and no file could use."""
        return []

    def notes(self) -> list[str]:
        """Return what else is to be said of the labels."""
        return []


class KeepLabels(Labels):
    """Images keep the labels they have."""

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the label there was."""
        return existing


class NoLabels(Labels):
    """No image has a label."""

    def of(self, path: str, existing: str | None) -> str | None:
        """Return None."""
        return None


class ParentLabels(Labels):
    """The folder an image lies in is its label."""

    def __init__(self) -> None:
        self._spelling = Spelling()

    def expect(self, paths: Sequence[str], labels: InUse = tuple) -> None:
        """Settle how labels are spelled."""
        self._spelling = Spelling(labels())
        for path in paths:
            self.of(path, None)

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the name of the folder."""
        name = label_text(os.path.basename(os.path.dirname(path)))
        return self._spelling.of(name) if name else None

    def notes(self) -> list[str]:
        """Return which labels are spelled otherwise."""
        return self._spelling.notes()


class TableLabels(Labels):
    """A table with the columns `path` and `label`.

    Paths are absolute, or relative to the table's folder. Images it does not name keep the label
    they have; an empty label takes it away.

    Parameters
    ----------
    file
        The table.

    Raises
    ------
    UsageError
        It cannot be read, or lacks a column.
    """

    def __init__(self, file: str) -> None:
        self._table = read_label_table(file)
        self._labels: dict[str, str | None] = {}
        self._unused: list[Skipped] = []
        self._spelling = Spelling()

    def expect(self, paths: Sequence[str], labels: InUse = tuple) -> None:
        """Find the files that the table names."""
        self._spelling = Spelling(labels())
        given, self._unused = self._table.match(paths)
        self._labels = {name: label and self._spelling.of(label) for name, label in given.items()}

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the table's label, else the one there was."""
        return self._labels.get(path_text(path), existing)

    def unused(self) -> list[Skipped]:
        """Return the rows that no file could use."""
        return self._unused

    def notes(self) -> list[str]:
        """Return which labels are spelled otherwise."""
        return self._spelling.notes()


def label_rule(choice: str | None) -> Labels:
    """Return the rule for `parent`, `none`, a CSV file's path, or None to keep labels as they are.

    Raises
    ------
    UsageError
        The CSV file cannot be used.
    """
    if choice is None:
        return KeepLabels()
    if choice == "parent":
        return ParentLabels()
    return NoLabels() if choice == "none" else TableLabels(choice)
