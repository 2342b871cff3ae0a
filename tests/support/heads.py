"""Head files as a stranger writes them: nothing is checked, and there is no checksum of itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import Any

import numpy as np
from safetensors.numpy import save

from engine.heads.file import CHECKSUM, KEY
from engine.heads.head import Head
from engine.heads.record import record_header, record_tensors

_NO_FACTS = ("layers", "gate", "record")


def tensors_and_header(head: Head) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the two parts of a head's file."""
    tensors: dict[str, Any] = {"gate.weight": head.gate.weight, "gate.bias": head.gate.bias}
    for number, layer in enumerate(head.layers):
        tensors[f"layers.{number}.weight"] = layer.weight
        tensors[f"layers.{number}.bias"] = layer.bias
    header: dict[str, Any] = {"format": 2}
    header |= {
        each.name: getattr(head, each.name) for each in fields(head) if each.name not in _NO_FACTS
    }
    if head.record is not None:
        header["record"] = record_header(head.record)
        tensors |= record_tensors(head.record)
    return tensors, header


def packed(tensors: dict[str, Any], header: Any) -> bytes:
    """Return a head file of any parts."""
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    return save(contiguous, metadata={KEY: json.dumps(header)})


def checked(tensors: dict[str, Any], header: dict[str, Any]) -> bytes:
    """Return a head file of any parts with the checksum that belongs to them."""
    plain = packed(tensors, header)
    end = 8 + int.from_bytes(plain[:8], "little")
    table = json.loads(plain[8:end])
    facts = json.loads(table.pop("__metadata__")[KEY])
    digest = hashlib.sha256(json.dumps([facts, table], sort_keys=True).encode("ascii"))
    digest.update(plain[end:])
    return packed(tensors, header | {CHECKSUM: digest.hexdigest()})


def unchecked(head: Head) -> bytes:
    """Return the file of a head that may hold anything."""
    return packed(*tensors_and_header(head))
