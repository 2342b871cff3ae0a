"""Cells of CSV files that a spreadsheet must not take for formulas.

A name that begins with `=` is run as a formula where such a file is opened, and can fetch or send
things. Before it, and what spreadsheets treat alike, goes an apostrophe: to them the mark of a
text. What reads our own files takes it away again: `unguarded(guarded(text)) == text` for every
text.
"""

from __future__ import annotations

import re

# Formulas also begin with signs, with @, and with the full-width forms of all of these; spaces and
# control characters before them are skipped. A text that begins like a guarded one is guarded, too.
_START = r"[\s\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060\ufeff]*[=+\-@\t\r＝＋－＠]"
_FORMULA = re.compile(f"'*{_START}")
_GUARDED = re.compile(f"'+{_START}")
# No formula, though it begins with a sign.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def guarded(cell: object) -> object:
    """Return a cell as a CSV file has it: texts that could be formulas after an apostrophe.

    Numbers are no texts, and texts that are numbers stay as they are.
    """
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def unguarded(text: str) -> str:
    """Return what a cell held before it was guarded."""
    return text[1:] if _GUARDED.match(text) else text
