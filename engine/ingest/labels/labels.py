"""Where an image's label comes from: its folder, a table, or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Protocol, TypeAlias

from engine.ingest.labels.label_table import read_label_table
from engine.ingest.labels.label_text import Spelling, label_text, path_text
from engine.pictures.sources.paths import folder_name
from engine.skipped import Skipped

# Who returns the labels that are in use; a rule that makes none does not ask.
InUse: TypeAlias = Callable[[], Iterable[str]]


class Labels(Protocol):
    """A rule that gives each image its label.

    Attributes
    ----------
    from_archives
        Whether it has to be told what archives say of their images.
    """

    from_archives: bool = False

    def told(self, labels: Mapping[str, str]) -> None:
        """Hear what an archive says of its images, by path."""
        return

    def expect(self, paths: Sequence[str], labels: InUse = tuple) -> None:
        """Hear of files that there are, in order of path, before the first is asked about.

        Of each archive it hears after the other files.

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
        self._spelling.add(labels())
        for path in paths:
            self.of(path, None)

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the name of the folder."""
        name = label_text(folder_name(path))
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
        self._paths: list[Sequence[str]] = []
        self._spelling = Spelling()

    def expect(self, paths: Sequence[str], labels: InUse = tuple) -> None:
        """Find the files that the table names."""
        self._spelling.add(labels())
        self._paths.append(paths)
        given, _ = self._table.match(paths)
        self._labels |= {name: label and self._spelling.of(label) for name, label in given.items()}

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the table's label, else the one there was."""
        return self._labels.get(path_text(path), existing)

    def unused(self) -> list[Skipped]:
        """Return the rows that no file could use."""
        return self._table.match(chain.from_iterable(self._paths))[1]

    def notes(self) -> list[str]:
        """Return which labels are spelled otherwise."""
        return self._spelling.notes()


class SourceLabels(Labels):
    """What an archive says of its images; where it says nothing, they keep the label they have."""

    from_archives = True

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._spelling = Spelling()

    def told(self, labels: Mapping[str, str]) -> None:
        """Take what an archive says."""
        texts = {path: label_text(label) for path, label in labels.items()}
        self._labels = {path: text for path, text in texts.items() if text}

    def expect(self, paths: Sequence[str], labels: InUse = tuple) -> None:
        """Settle how labels are spelled."""
        self._spelling.add(labels())

    def of(self, path: str, existing: str | None) -> str | None:
        """Return what was said, else the label there was."""
        label = self._labels.get(path)
        return existing if label is None else self._spelling.of(label)

    def notes(self) -> list[str]:
        """Return which labels are spelled otherwise."""
        return self._spelling.notes()


# The rules that are named by a word.
RULES: Mapping[str | None, Callable[[], Labels]] = {
    None: KeepLabels,
    "none": NoLabels,
    "parent": ParentLabels,
    "source": SourceLabels,
}


def label_rule(choice: str | None) -> Labels:
    """Return the rule for `parent`, `source`, `none`, a CSV file, or None to keep what there is.

    Raises
    ------
    UsageError
        The CSV file cannot be used.
    """
    return RULES[choice]() if choice in RULES else TableLabels(str(choice))
