"""Pictures and weights that are the same on every machine and in every release.

Nothing here imports the engine: the release that made the stores draws with it, and so do the
tests. A picture's colours come from SHA-256 and its file is an uncompressed BMP, so that its
content never depends on the version of a library.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

CELLS, CELL = 4, 16
SIDE = CELLS * CELL
CATEGORIES = ("bed", "chair", "lamp")
# How far a cell of a picture may be from the same cell of its category, of 255.
SPREAD = 90
# 2026-01-01; a file that is older than its scan is trusted by size and time.
MODIFIED_NS = 1_767_225_600_000_000_000


def colours(category: str, number: int) -> bytes:
    """Return the 4 x 4 cells of a picture, three bytes each."""
    own = hashlib.shake_256(f"{category} {number}".encode()).digest(CELLS * CELLS * 3)
    common = hashlib.shake_256(category.encode()).digest(CELLS * CELLS * 3)
    return bytes(
        min(255, max(0, base + (step * 2 * SPREAD) // 255 - SPREAD))
        for base, step in zip(common, own, strict=True)
    )


def picture(category: str, number: int, *, brighter: int = 0) -> bytes:
    """Return a BMP of 64 x 64 pixels; `brighter` is added to its first cell."""
    cells = bytearray(colours(category, number))
    cells[:3] = (min(255, value + brighter) for value in cells[:3])
    rows = []
    for top in range(0, len(cells), CELLS * 3):
        row = b"".join(cells[at : at + 3] * CELL for at in range(top, top + CELLS * 3, 3))
        rows.append(row * CELL)
    pixels = b"".join(rows)
    head = struct.pack("<2sIII", b"BM", 54 + len(pixels), 0, 54)
    info = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    return head + info + pixels


def write(path: Path, content: bytes) -> Path:
    """Write a picture with the time that the stores know it by."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(MODIFIED_NS, MODIFIED_NS))
    return path


def draw(folder: Path, numbers: Iterable[int], categories: Iterable[str] = CATEGORIES) -> None:
    """Write `<folder>/<category>/<category>-<number>.bmp` for each category and number."""
    wanted = list(numbers)
    for category in categories:
        for number in wanted:
            path = folder / category / f"{category}-{number:04}.bmp"
            write(path, picture(category, number))


def draw_copies(folder: Path) -> None:
    """Write an exact copy of one bed, and one that differs a little from another bed."""
    write(folder / "bed" / "exact copy.bmp", picture("bed", 0))
    write(folder / "bed" / "near copy.bmp", picture("bed", 1, brighter=10))


def finetuned_weights(state: Mapping[str, torch.Tensor], gain: float) -> bytes:
    """Return weights as the bytes of a safetensors file, the last normalization times `gain`.

    Parameters
    ----------
    state
        The weights of the embedded backbone by their names in timm.
    gain
        Makes one fine-tuned backbone differ from another.

    Notes
    -----
    The file is written out here, since its hash must not depend on the version of a library.
    """
    state = {**state, "bn2.weight": state["bn2.weight"] * gain}
    header: dict[str, Any] = {}
    blocks: list[bytes] = []
    end = 0
    for name, tensor in sorted(state.items()):
        values = tensor.numpy()
        start, end = end, end + values.nbytes
        kind = {"float32": "F32", "int64": "I64"}[str(values.dtype)]
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [start, end]}
        blocks.append(values.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(blocks)
