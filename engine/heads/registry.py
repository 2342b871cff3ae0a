"""Heads by name: found, checked, asked, read from files and written to them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import HeadError, UnknownHeadError, UsageError
from engine.heads.classifier import BUILT_IN, BuiltIn, Classifier, Distribution
from engine.heads.file import head_from_bytes, head_to_bytes
from engine.heads.head import Head, layer_sizes
from engine.results import HeadInfo
from index.records import Vectors

ALL = "all"
RESERVED = (ALL, BUILT_IN, "unknown")
_NAME = re.compile(r"[\w][\w .-]{0,99}")


def check_name(name: str) -> None:
    """Refuse names that a head cannot have.

    Raises
    ------
    UsageError
        The name is taken by the engine itself, or is no name.
    """
    if name in RESERVED:
        raise UsageError(name, "this name belongs to the engine", "Choose another for the head")
    if not _NAME.fullmatch(name):
        raise UsageError(
            name or "''",
            "this is no name for a head",
            "Use letters, digits, spaces, dots, dashes and underscores, a hundred at most",
        )


def check_known(heads: Sequence[Head], name: str | None) -> None:
    """Refuse a name that no head has.

    Raises
    ------
    UnknownHeadError
        There is no such head.
    """
    if name not in (None, ALL, BUILT_IN):
        find_head(heads, str(name))


def find_head(heads: Sequence[Head], name: str) -> Head:
    """Return the head of a name.

    Raises
    ------
    UnknownHeadError
        There is none; the message lists those there are.
    """
    for head in heads:
        if head.name == name:
            return head
    known = ", ".join(head.name for head in heads) or "none yet"
    raise UnknownHeadError(
        name,
        "there is no such head",
        f"The catalog has {known}; `engine train FOLDER --head {name}` makes one",
    )


def distribution(
    built_in: BuiltIn, heads: Sequence[Head], name: str | None, vectors: Vectors
) -> Distribution:
    """Return what one head says, or the built-in categories, or all in competition.

    Raises
    ------
    UnknownHeadError
        There is no such head.
    """
    classifier = Classifier(built_in, heads)
    if name is None or name == ALL:
        return classifier.joint(vectors)
    if name == BUILT_IN:
        return classifier.built_in(vectors)
    return classifier.own(find_head(heads, name), vectors)


def head_info(head: Head) -> HeadInfo:
    """Return a head at a glance."""
    return HeadInfo(
        head.name,
        head.categories,
        layer_sizes(head.layers),
        int(head.metrics.get("images", 0)),
        head.metrics.get("validation_accuracy", float("nan")),
        head.created_at,
        head.backbone,
    )


def write_head(head: Head, file: Path) -> None:
    """Write a head to a file, whole or not at all.

    Raises
    ------
    HeadError
        The file cannot be written.
    """
    temporary = file.parent / f"{file.name}.{os.getpid()}.tmp"
    try:
        temporary.write_bytes(head_to_bytes(head))
        temporary.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise HeadError(
            file, f"it cannot be written ({error.strerror})", "Name another place"
        ) from None


def read_head(file: Path, name: str | None = None) -> Head:
    """Read a head from a file, under its own name or another.

    Raises
    ------
    HeadError
        The file cannot be read.
    HeadFormatError
        It is no head file.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise HeadError(file, f"it cannot be read ({error.strerror})", "Check the path") from None
    head = head_from_bytes(data, str(file))
    renamed = replace(head, name=name or head.name)
    check_name(renamed.name)
    return renamed
