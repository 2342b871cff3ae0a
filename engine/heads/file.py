"""A head as one file: safetensors with a versioned JSON header, readable without torch.

Tensors: `layers.<n>.weight`, `layers.<n>.bias`, `gate.weight`, `gate.bias`, all float32.
How the head came to be is told by more tensors (`record_file.py`).
Metadata: one entry `engine-head`, a JSON object with `format`, the facts of `Head`, and nothing
that could run.

Format 1 is a head with ReLU; format 2 one with another activation, which a release that knows
format 1 alone would get wrong without a word. Whatever else is new is left out by older releases.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from engine.errors import HeadFormatError
from engine.heads.head import Dense, Head
from engine.heads.numerics import ACTIVATIONS, RELU
from engine.heads.record_file import record_from, record_header, record_tensors

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
        metrics=dict(header["metrics"]),
        activation=str(header.get("activation", RELU)),
        history=tuple(dict(row) for row in header.get("history", ())),
        record=record_from(header["record"], tensors, outputs) if "record" in header else None,
    )


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
