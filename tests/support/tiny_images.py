"""Very many very small pictures, each of its own content, written faster than Pillow would."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np

SIDE = 16
LONG_AGO = 1_600_000_000


def write_tiny_images(folder: Path, count: int, in_a_folder: int = 1000, seed: int = 0) -> None:
    """Write bitmaps of 16 x 16 pixels, a thousand to a folder, that look long untouched.

    Parameters
    ----------
    seed
        Another one draws other pictures.
    """
    size = SIDE * SIDE * 3
    header = struct.pack("<2sIHHI", b"BM", 54 + size, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, size, 2835, 2835, 0, 0)
    drawn = np.random.default_rng(seed)
    for first in range(0, count, in_a_folder):
        below = folder / f"{first // in_a_folder:04}"
        below.mkdir(parents=True)
        pixels = drawn.integers(0, 256, (min(in_a_folder, count - first), size), np.uint8)
        for number, row in enumerate(pixels, first):
            path = below / f"{number:06}.bmp"
            path.write_bytes(header + row.tobytes())
            os.utime(path, (LONG_AGO, LONG_AGO + number))
