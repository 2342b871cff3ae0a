"""Heads that are handed on: written to files for other machines, read from files of anybody."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import HeadError, HeadFormatError
from engine.heads.file import FACTS, head_from_bytes, head_to_bytes
from engine.heads.head import Head, check_name
from engine.heads.record import Record, portable, record_header
from index.errors import reason_of
from index.files.atomic_file import write_atomically

# Embeddings, overrides and isolates: what follows them is shown in another order than it is in.
_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How much a head file from elsewhere may hold.

    Attributes
    ----------
    file, header
        Bytes of all, and of the JSON header.
    text, items
        Characters of each text, and items of each list, in its header.
    depth
        How deeply lists lie in lists.
    number
        The largest number, whatever its sign.
    """

    file: int = 1 << 30
    header: int = 64 << 20
    text: int = 100_000
    items: int = 1_000_000
    depth: int = 8
    number: float = 1e15


def write_head(head: Head, file: Path) -> None:
    """Write a head to a file that others may read, whole or not at all.

    It holds no paths of this machine: see `portable`.

    Raises
    ------
    HeadError
        The file cannot be written.
    """
    shared = replace(head, record=head.record and portable(head.record))
    try:
        write_atomically(file, head_to_bytes(shared))
    except OSError as error:
        raise HeadError(
            file, f"it cannot be written ({reason_of(error)})", "Name another place"
        ) from None


def read_head(file: Path, name: str | None = None, limits: FileLimits | None = None) -> Head:
    """Read a head from a file that may come from anywhere, under its own name or another.

    Paths that its record names are dropped: they are of another machine, or lead where somebody
    wants them to lead.

    Parameters
    ----------
    limits
        How much a file may hold; None for the defaults.

    Raises
    ------
    HeadError
        The file cannot be read.
    HeadFormatError
        It is no head file, holds more than the limits allow, or names that no category can have.
    UsageError
        The head's name is one that no head can have.
    """
    limits = limits or FileLimits()
    try:
        with file.open("rb") as opened:
            data = opened.read(limits.file + 1)
    except OSError as error:
        raise HeadError(file, f"it cannot be read ({reason_of(error)})", "Check the path") from None
    header = int.from_bytes(data[:8], "little")
    if len(data) > limits.file or limits.header < header <= len(data):
        raise _refused(file, "it is larger than a head can be")
    head = head_from_bytes(data, str(file))
    record = head.record and replace(portable(head.record), imported=True)
    head = replace(head, name=name or head.name, record=record)
    check_name(head.name)
    facts = [getattr(head, name) for name in FACTS]
    reason = _unfit([*facts, head.history, record_header(head.record or Record())], limits)
    if reason:
        raise _refused(file, reason)
    return head


def _refused(file: Path, reason: str) -> HeadFormatError:
    return HeadFormatError(file, reason, "Use a file that `engine heads export` wrote")


def _unfit(value: object, limits: FileLimits, depth: int = 0) -> str | None:
    """Return why a part of a header cannot be taken, None where it can."""
    if depth > limits.depth:
        return "its header is nested too deeply"
    if isinstance(value, str):
        if len(value) > limits.text:
            return f"a text in it is longer than {limits.text:,} characters"
        return "a text in it has control characters" if _has_control(value) else None
    if isinstance(value, float | int):
        # NaN is what was measured of nothing.
        return "a number in it is not finite" if abs(value) > limits.number else None
    if isinstance(value, Mapping | Sequence):
        if len(value) > limits.items:
            return f"a list in it has more than {limits.items:,} items"
        parts = [*value, *value.values()] if isinstance(value, Mapping) else value
        reasons = (_unfit(part, limits, depth + 1) for part in parts)
        return next((reason for reason in reasons if reason), None)
    return None if value is None else f"it holds a {type(value).__name__}"


def _has_control(text: str) -> bool:
    """Say whether a text has control characters, half a surrogate pair, or turns its direction."""
    # Nearly every text, and a thousandth of the time.
    if text.isascii() and text.isprintable():
        return False
    return any(
        unicodedata.category(each) in ("Cc", "Cs") or unicodedata.bidirectional(each) in _DIRECTIONS
        for each in text
    )
