"""A head as one file: safetensors with a versioned JSON header, readable without torch.

Tensors: `layers.<n>.weight`, `layers.<n>.bias`, `gate.weight`, `gate.bias`, all float32.
How the head came to be is told by more tensors (`record.py`).
Metadata: one entry `engine-head`, a JSON object with `format`, the facts of `Head`, and nothing
that could run.

Format 1 is a head with ReLU; format 2 one with another activation, which a release that knows
format 1 alone would get wrong without a word. Whatever else is new is left out by older releases.

`sha256` in the header is the checksum of all the rest of the file: see `_digest`. Files of releases
that did not write it have none, and are read without.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from engine.errors import HeadError, HeadFormatError
from engine.heads.check import check_head
from engine.heads.facts import number_of, numbers_of, text_of, texts_of
from engine.heads.head import Dense, Head
from engine.heads.numerics import RELU
from engine.heads.record import record_from, record_header, record_tensors

FORMAT = 2
KEY = "engine-head"
CHECKSUM = "sha256"
UPGRADE = "Upgrade the engine: pip install --upgrade image-engine"
FACTS = (
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
# All that a header may hold beside the checksum.
KNOWN = frozenset(("format", *FACTS, "activation", "history", "record"))
# What reading a damaged file can raise, a header nested without end included.
_DAMAGE = (
    *(SafetensorError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    RecursionError,
)


def head_to_bytes(head: Head) -> bytes:
    """Return a head as the bytes of its file.

    Raises
    ------
    HeadError
        It holds what no head may hold, so that it could not be read again.
    """
    try:
        check_head(head)
    except ValueError as error:
        raise HeadError(
            f"head {head.name}", f"it cannot be stored ({error})", "Train it with other options"
        ) from None
    tensors = {"gate.weight": head.gate.weight, "gate.bias": head.gate.bias}
    for number, layer in enumerate(head.layers):
        tensors[f"layers.{number}.weight"] = layer.weight
        tensors[f"layers.{number}.bias"] = layer.bias
    header: dict[str, Any] = {"format": 1 if head.activation == RELU else FORMAT}
    header |= {name: getattr(head, name) for name in FACTS}
    if head.activation != RELU:
        header["activation"] = head.activation
    if head.history:
        header["history"] = [dict(row) for row in head.history]
    contiguous = {key: np.ascontiguousarray(value, np.float32) for key, value in tensors.items()}
    if head.record is not None:
        header["record"] = record_header(head.record)
        contiguous |= record_tensors(head.record)
    # As it is read back: tuples are lists there.
    header = json.loads(json.dumps(header))
    header[CHECKSUM] = _digest(header, *_table_and_values(save_tensors(contiguous)))
    return save_tensors(contiguous, metadata={KEY: json.dumps(header)})


def head_from_bytes(data: bytes, origin: str) -> Head:
    """Read a head file.

    The checksum is verified before anything but the header is read.

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
        table, values = _table_and_values(data)
        header = json.loads(table.pop("__metadata__")[KEY])
        if not isinstance(header, dict):
            raise TypeError("its header is no table of facts")
        if int(header["format"]) > FORMAT:
            raise HeadFormatError(
                origin,
                f"the head has format {header['format']}, this release reads up to {FORMAT}",
                UPGRADE,
            )
        _require_sound(header, table, values, origin)
        head = _head(header, load_tensors(data))
        check_head(head)
        return head
    except _DAMAGE as error:
        raise HeadFormatError(
            origin,
            f"this is no head file of the engine ({type(error).__name__}: {error})",
            "Use a file that `engine heads export` wrote",
        ) from None


def _require_sound(
    header: Mapping[str, Any], table: Mapping[str, Any], values: memoryview, origin: str
) -> None:
    """Insist on the checksum, which releases left out that knew none of the facts of later ones."""
    checksum = header.get(CHECKSUM)
    if checksum is None and not KNOWN.issuperset(header):
        raise HeadFormatError(
            origin, "the head is damaged: its checksum is gone", "Copy or export it again"
        )
    if checksum is not None and checksum != _digest(header, table, values):
        raise HeadFormatError(
            origin, "the head is damaged: it has another checksum", "Copy or export it again"
        )


def _table_and_values(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the two parts of a safetensors file: where each tensor lies, and all their bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    if end > len(data):
        raise ValueError("no safetensors header")
    table = json.loads(data[8:end])
    if not isinstance(table, dict):
        raise TypeError("its table of tensors is none")
    return table, memoryview(data)[end:]


def _digest(header: Mapping[str, Any], table: Mapping[str, Any], values: memoryview) -> str:
    """Return the SHA-256 of a head file's facts, its table of tensors, and their bytes.

    Of header and table it is what they say that counts, not how JSON writes it.
    """
    facts = {name: fact for name, fact in header.items() if name != CHECKSUM}
    digest = hashlib.sha256(json.dumps([facts, dict(table)], sort_keys=True).encode("ascii"))
    digest.update(values)
    return digest.hexdigest()


def _head(header: dict[str, Any], tensors: dict[str, Any]) -> Head:
    count = sum(name.endswith(".weight") and name.startswith("layers.") for name in tensors)
    layers = tuple(
        Dense(tensors[f"layers.{number}.weight"], tensors[f"layers.{number}.bias"])
        for number in range(count)
    )
    categories = texts_of(header["categories"])
    return Head(
        name=text_of(header["name"]),
        categories=categories,
        backbone=text_of(header["backbone"]),
        fingerprint=text_of(header["fingerprint"]),
        layers=layers,
        scale=number_of(header["scale"]),
        temperature=number_of(header["temperature"]),
        gate=Dense(tensors["gate.weight"], tensors["gate.bias"]),
        accept=number_of(header["accept"]),
        created_at=text_of(header["created_at"]),
        metrics=numbers_of(header["metrics"]),
        activation=text_of(header.get("activation", RELU)),
        history=tuple(map(numbers_of, header.get("history", ()))),
        record=record_from(header["record"], tensors, len(categories))
        if "record" in header
        else None,
    )
