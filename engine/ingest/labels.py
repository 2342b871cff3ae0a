"""Where an image's label comes from: its folder, a table, or nowhere."""

from __future__ import annotations

import csv
import os
import unicodedata
from typing import Protocol

from engine.errors import UsageError


class Labels(Protocol):
    """A rule that gives each image its label."""

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the label of the image at `path`, which had `existing`."""


class KeepLabels:
    """Images keep the labels they have."""

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the label there was."""
        return existing


class NoLabels:
    """No image has a label."""

    def of(self, path: str, existing: str | None) -> str | None:
        """Return None."""
        return None


class ParentLabels:
    """The folder an image lies in is its label."""

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the name of the folder."""
        return label_text(os.path.basename(os.path.dirname(path))) or None


class TableLabels:
    """A CSV file with the columns `path` and `label`.

    Paths are absolute, or relative to the CSV file's folder. Images it does not name keep the
    label they have; an empty label takes it away.

    Parameters
    ----------
    file
        The CSV file.

    Raises
    ------
    UsageError
        It cannot be read, or lacks a column.
    """

    def __init__(self, file: str) -> None:
        folder = os.path.dirname(os.path.abspath(file))
        self._labels: dict[str, str | None] = {}
        try:
            with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
                reader = csv.DictReader(lines)
                if not {"path", "label"} <= set(reader.fieldnames or ()):
                    raise UsageError(
                        file, "it lacks a column `path` or `label`", "Name both in the first line"
                    )
                for row in reader:
                    path = os.path.normpath(os.path.join(folder, row["path"] or ""))
                    self._labels[path] = label_text(row["label"] or "").strip() or None
        except (OSError, csv.Error) as error:
            raise UsageError(
                file,
                f"the labels cannot be read ({error})",
                "--label takes parent, none, or a CSV file with the columns path and label",
            ) from None

    def of(self, path: str, existing: str | None) -> str | None:
        """Return the table's label, else the one there was."""
        return self._labels.get(path, existing)


def label_text(name: str) -> str:
    """Return a file name as text for people, SQL and JSON.

    Bytes that are no UTF-8, and control characters, are shown as U+FFFD.
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join("\ufffd" if unicodedata.category(each) == "Cc" else each for each in text)


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
