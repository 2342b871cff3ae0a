"""A head's record as part of its file: figures as tensors, the rest in the header.

Tensors: `held_out.labels`, `held_out.answers` (int64), `held_out.confidence`,
`held_out.raw_confidence` (float32), `learned.hashes` (uint8), `learned.labels` (int64). Header:
`record`, an object. A release that knows nothing of it leaves it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.heads.record import HASH_BYTES, UNKNOWN, HeldOut, Learned, Record, ShownImage

_HELD_OUT = {
    "labels": np.int64,
    "answers": np.int64,
    "confidence": np.float32,
    "raw_confidence": np.float32,
}


def record_tensors(record: Record) -> dict[str, np.ndarray[Any, Any]]:
    """Return the tensors of a record, by name."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    if record.held_out is not None:
        for name, dtype in _HELD_OUT.items():
            value = getattr(record.held_out, name)
            tensors[f"held_out.{name}"] = np.ascontiguousarray(value, dtype)
    if record.learned is not None:
        tensors["learned.hashes"] = np.ascontiguousarray(record.learned.hashes, np.uint8)
        tensors["learned.labels"] = np.ascontiguousarray(record.learned.labels, np.int64)
    return tensors


def record_header(record: Record) -> dict[str, Any]:
    """Return the part of a record that is for the header."""
    held, learned = record.held_out, record.learned
    return {
        "data": record.data,
        "settings": dict(record.settings),
        "versions": dict(record.versions),
        "seconds": dict(record.seconds),
        "mistakes": [asdict(each) for each in held.mistakes] if held else [],
        "shown": [asdict(each) for each in held.shown] if held else [],
        "views": list(learned.views) if learned else [],
        "paths": list(learned.paths) if learned else [],
    }


def record_from(header: Mapping[str, Any], tensors: Mapping[str, Any], outputs: int) -> Record:
    """Return a record from its two parts.

    Raises
    ------
    ValueError, LookupError, TypeError
        They do not fit each other, or the head.
    """
    held = None
    if "held_out.labels" in tensors:
        parts = {name: tensors[f"held_out.{name}"] for name in _HELD_OUT}
        _check(parts, outputs)
        held = HeldOut(
            **parts,
            mistakes=tuple(map(_shown, header["mistakes"])),
            shown=tuple(map(_shown, header["shown"])),
        )
    learned = None
    if "learned.hashes" in tensors:
        hashes, labels = tensors["learned.hashes"], tensors["learned.labels"]
        if hashes.shape != (len(labels), HASH_BYTES) or hashes.dtype != np.uint8:
            raise ValueError("what was learned from does not fit")
        _check({"labels": labels}, outputs)
        paths = tuple(map(str, header.get("paths", ())))
        if len(paths) not in (0, len(labels)):
            raise ValueError("what was learned from does not fit")
        learned = Learned(hashes, labels, tuple(map(str, header["views"])), paths)
    return Record(
        data=str(header["data"]),
        settings=dict(header["settings"]),
        versions={str(key): str(value) for key, value in header["versions"].items()},
        seconds={str(key): float(value) for key, value in header["seconds"].items()},
        held_out=held,
        learned=learned,
    )


def _check(parts: Mapping[str, Any], outputs: int) -> None:
    for name, value in parts.items():
        numbers = name in ("labels", "answers")
        if value.dtype != (np.int64 if numbers else np.float32) or value.ndim != 1:
            raise ValueError(f"{name} is not what it should be")
        if len(value) != len(parts["labels"]):
            raise ValueError(f"{name} has another length")
        least = UNKNOWN if name == "answers" else 0
        if numbers and len(value) and not least <= value.min() <= value.max() < outputs:
            raise ValueError(f"{name} names a category that is not there")


def _shown(row: Mapping[str, Any]) -> ShownImage:
    top = tuple((str(name), float(probability)) for name, probability in row["top"])
    return ShownImage(str(row["path"]), str(row["label"]), top)
