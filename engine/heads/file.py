"""A head as one file: safetensors with a versioned JSON header, readable without torch.

Tensors: `layers.<n>.weight`, `layers.<n>.bias`, `gate.weight`, `gate.bias`, all float32.
How the head came to be is told by more tensors (`record.py`).
Metadata: one entry `engine-head`, a JSON object with `format`, the facts of `Head`, and nothing
that could run.

Format 1 is a head with ReLU; format 2 one with another activation, which a release that knows
format 1 alone would get wrong without a word. Whatever else is new is left out by older releases.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from engine.errors import HeadError, HeadFormatError
from engine.heads.head import Dense, Head, check_name
from engine.heads.numerics import ACTIVATIONS, RELU
from engine.heads.record import Record, record_from, record_header, record_tensors
from index.atomic_file import write_atomically

FORMAT = 2
KEY = "engine-head"
_FACTS = (
    "name",
    "categories",
    "backbone",
    "fingerprint",
    "scale",
    "temperature",
    "accept",
    "created_at",
    "metrics",
)
# What reading a damaged file can raise, a header nested without end included.
_DAMAGE = (SafetensorError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)


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


def head_to_bytes(head: Head) -> bytes:
    """Return a head as the bytes of its file."""
    tensors = {"gate.weight": head.gate.weight, "gate.bias": head.gate.bias}
    for number, layer in enumerate(head.layers):
        tensors[f"layers.{number}.weight"] = layer.weight
        tensors[f"layers.{number}.bias"] = layer.bias
    header: dict[str, Any] = {"format": 1 if head.activation == RELU else FORMAT}
    header |= {name: getattr(head, name) for name in _FACTS}
    if head.activation != RELU:
        header["activation"] = head.activation
    if head.history:
        header["history"] = [dict(row) for row in head.history]
    contiguous = {key: np.ascontiguousarray(value, np.float32) for key, value in tensors.items()}
    if head.record is not None:
        header["record"] = record_header(head.record)
        contiguous |= record_tensors(head.record)
    return save_tensors(contiguous, metadata={KEY: json.dumps(header)})


def head_from_bytes(data: bytes, origin: str) -> Head:
    """Read a head file.

    Parameters
    ----------
    data
        The file's bytes.
    origin
        What to call it in an error.

    Raises
    ------
    HeadFormatError
        It is no head file, is damaged, or has a newer format.
    """
    try:
        header = _header(data)
        if int(header["format"]) > FORMAT:
            raise HeadFormatError(
                origin,
                f"the head has format {header['format']}, this release reads up to {FORMAT}",
                "Upgrade the engine: pip install --upgrade image-engine",
            )
        return _checked(_head(header, load_tensors(data)))
    except _DAMAGE as error:
        raise HeadFormatError(
            origin,
            f"this is no head file of the engine ({type(error).__name__}: {error})",
            "Use a file that `engine heads export` wrote",
        ) from None


def _header(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    if length > len(data):
        raise ValueError("no safetensors header")
    header: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY])
    return header


def _head(header: dict[str, Any], tensors: dict[str, Any]) -> Head:
    count = sum(name.endswith(".weight") and name.startswith("layers.") for name in tensors)
    layers = tuple(
        Dense(tensors[f"layers.{number}.weight"], tensors[f"layers.{number}.bias"])
        for number in range(count)
    )
    outputs = len(header["categories"])
    return Head(
        name=str(header["name"]),
        categories=tuple(map(str, header["categories"])),
        backbone=str(header["backbone"]),
        fingerprint=str(header["fingerprint"]),
        layers=layers,
        scale=float(header["scale"]),
        temperature=float(header["temperature"]),
        gate=Dense(tensors["gate.weight"], tensors["gate.bias"]),
        accept=float(header["accept"]),
        created_at=str(header["created_at"]),
        metrics=_numbers(header["metrics"]),
        activation=str(header.get("activation", RELU)),
        history=tuple(map(_numbers, header.get("history", ()))),
        record=record_from(header["record"], tensors, outputs) if "record" in header else None,
    )


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in row.items()}


def _checked(head: Head) -> Head:
    if head.activation not in ACTIVATIONS:
        raise ValueError(f"the activation {head.activation!r} is unknown")
    width = head.dim
    for layer in head.layers:
        _check_layer(layer, width)
        width = len(layer.bias)
    _check_layer(head.gate, head.dim)
    if not head.layers or not width == len(head.gate.bias) == len(head.categories):
        raise ValueError("the layers do not fit the categories")
    if not np.isfinite([head.scale, head.temperature, head.accept]).all() or head.temperature <= 0:
        raise ValueError("a number in it is not finite")
    return head


def _check_layer(layer: Dense, inputs: int) -> None:
    # NumPy would take other shapes and types without a word, and answer something else.
    if layer.bias.ndim != 1 or layer.weight.shape != (len(layer.bias), inputs):
        raise ValueError("the layers do not fit each other")
    for part in (layer.weight, layer.bias):
        if part.dtype != np.float32 or not np.isfinite(part).all():
            raise ValueError("a number in it is not finite")


def write_head(head: Head, file: Path) -> None:
    """Write a head to a file, whole or not at all.

    Raises
    ------
    HeadError
        The file cannot be written.
    """
    try:
        write_atomically(file, head_to_bytes(head))
    except OSError as error:
        raise HeadError(
            file, f"it cannot be written ({error.strerror})", "Name another place"
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
        raise HeadError(file, f"it cannot be read ({error.strerror})", "Check the path") from None
    header = int.from_bytes(data[:8], "little")
    if len(data) > limits.file or limits.header < header <= len(data):
        raise _refused(file, "it is larger than a head can be")
    head = head_from_bytes(data, str(file))
    head = replace(head, name=name or head.name, record=_without_paths(head.record))
    check_name(head.name)
    facts = [getattr(head, name) for name in _FACTS]
    reason = _unfit([*facts, head.history, record_header(head.record or Record())], limits)
    if reason := reason or _unfit_categories(head.categories):
        raise _refused(file, reason)
    return head


def _refused(file: Path, reason: str) -> HeadFormatError:
    return HeadFormatError(file, reason, "Use a file that `engine heads export` wrote")


def _without_paths(record: Record | None) -> Record | None:
    if record is None:
        return None
    answers = record.answers and replace(record.answers, mistakes=(), shown=())
    learned = record.learned and replace(record.learned, paths=())
    return replace(record, answers=answers, learned=learned, imported=True)


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


def _unfit_categories(categories: Sequence[str]) -> str | None:
    if not all(categories):
        return "a category in it has no name"
    return None if len(set(categories)) == len(categories) else "two categories have one name"


def _has_control(text: str) -> bool:
    return any(unicodedata.category(each) in ("Cc", "Cs") for each in text)
