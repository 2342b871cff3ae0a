"""A table of labels: a text file with the columns `path` and `label`, as people have them.

What is read is in docs/catalog.md. No row is dropped without a word: one that cannot be used has
its line and its reason.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import UsageError
from engine.export.spreadsheet import unguarded
from engine.ingest.labels.label_text import label_text, path_text
from engine.pictures.sources.paths import absolute, exists, is_remote
from engine.skipped import Skipped
from index.names import read_text

SEPARATORS = (",", ";", "\t")
# The longer mark first: UTF-32 begins like UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row: the path and the line where they stand, and the label, None to take it away."""

    path: str
    line: int
    label: str | None


@dataclass(frozen=True, slots=True)
class LabelTable:
    """What was read of a table.

    Attributes
    ----------
    file
        The table itself.
    rows
        Those that can be used.
    faulty
        The others, by line.
    """

    file: str
    rows: list[LabelRow] = field(default_factory=list)
    faulty: dict[int, Skipped] = field(default_factory=dict)

    def match(self, paths: Iterable[str]) -> tuple[dict[str, str | None], list[Skipped]]:
        """Return labels by `path_text` for those of some files that are named, and unused rows.

        Of two rows that give one file different labels the first holds.
        """
        folder = os.path.dirname(os.path.abspath(self.file))
        found = set(map(path_text, paths))
        given: dict[str, LabelRow] = {}
        unused = dict(self.faulty)
        for row in self.rows:
            # Spaces and backslashes belong to some names, and to the layout of some tables.
            path = row.path.strip()
            spellings = dict.fromkeys(
                (row.path, path, path.replace("\\", os.sep), unguarded(row.path))
            )
            named = [_absolute(folder, each) for each in spellings]
            name = next((text for text in map(path_text, named) if text in found), None)
            if name is None:
                unused[row.line] = self._unmatched(row, named[0])
            elif given.setdefault(name, row).label != row.label:
                reason = f"line {given[name].line} gives it another label, which holds"
                unused[row.line] = self.unused(row.path, row.line, reason, "Leave one of them")
        labels = {name: row.label for name, row in given.items()}
        return labels, [unused[line] for line in sorted(unused)]

    def unused(self, path: str, line: int, reason: str, remedy: str) -> Skipped:
        """Return what is said of a row that is not used."""
        return Skipped(path, f"line {line} of {os.path.basename(self.file)}: {reason}", remedy)

    def _unmatched(self, row: LabelRow, path: str) -> Skipped:
        if not is_remote(path) and exists(path):
            reason = "this is not among the pictures that were found"
            return self.unused(row.path, row.line, reason, "Name its folder, too")
        remedy = "Paths are absolute, or relative to the folder that the table lies in"
        return self.unused(row.path, row.line, "there is no such picture", remedy)


def _absolute(folder: str, path: str) -> str:
    """Return a path relative to a folder, or a URL, as an image is called by it."""
    if not is_remote(path):
        return os.path.normpath(os.path.join(folder, path))
    try:
        return absolute(path)
    except UsageError:
        return path


def read_label_table(file: str) -> LabelTable:
    """Read a table of labels.

    Raises
    ------
    UsageError
        It cannot be read, or lacks a column.
    """
    try:
        # The first line of some spreadsheets says the separator, which the second says, too.
        text = re.sub(r"\Asep=[^\r\n]*", "", table_text(Path(file).read_bytes()))
        for separator in SEPARATORS:
            rows = _numbered_rows(text, separator)
            _, names = next(rows, (0, []))
            names = [label_text(name).casefold() for name in names]
            if {"path", "label"} <= set(names):
                return _filled(LabelTable(file), names, rows)
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(
            file,
            f"the labels cannot be read ({error})",
            "--label takes parent, none, or a CSV file with the columns path and label",
        ) from None
    raise UsageError(
        file,
        "it lacks a column `path` or `label`",
        "Name both in the first line, with commas, semicolons or tabs between the columns",
    )


def table_text(data: bytes) -> str:
    """Return the text of a table.

    A byte order mark says the encoding, zero bytes that it is UTF-16. Else each line is UTF-8, or
    Windows-1252 where it cannot be.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    start = data[:1000]
    if b"\0" in start:
        # Of an ASCII character in UTF-16 the upper byte is zero: the second in little-endian order.
        little = start[1::2].count(0) >= start[::2].count(0)
        return data.decode("utf-16-le" if little else "utf-16-be", "replace")
    return "".join(map(read_text, data.splitlines(keepends=True)))


def _numbered_rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows in which there is anything, with the lines at which they end."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _filled(
    table: LabelTable, names: list[str], rows: Iterator[tuple[int, list[str]]]
) -> LabelTable:
    """Return a table with its rows; `names` are those of the columns."""
    path, label = names.index("path"), names.index("label")
    for line, cells in rows:
        if len(cells) != len(names):
            reason = f"it has {len(cells)} fields, the first line has {len(names)}"
            remedy = "Put quotes around a field that holds the separator"
            named = cells[path] if path < len(cells) else ""
            table.faulty[line] = table.unused(named, line, reason, remedy)
        elif not cells[path].strip():
            reason = "it names no picture"
            table.faulty[line] = table.unused("", line, reason, "Fill in its path")
        else:
            text = label_text(unguarded(cells[label]))
            table.rows.append(LabelRow(cells[path], line, text or None))
    return table
