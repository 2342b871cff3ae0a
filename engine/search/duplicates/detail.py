"""Whether two pictures that look the same when small are the same at their own size.

Receipts of one form, and the frames of a burst, are the same picture to a network and to anybody
who sees them small. Places with detail are compared one by one, where compression, a change of size
and a loss of colour hardly move anything.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from index.records import Floats

# Pixels of the longer side, beyond which nothing is looked at, and of the shorter one, below which
# a picture shows nothing that its miniature does not.
SIDE, LEAST_SIDE = 512, 128
# Pixels of the side of a cell, the variance from which it has detail (levels of 255), and the
# share of it by which two cells that show the same may differ.
CELL, DETAIL, ALIKE = 8, 900.0, 0.2


def small_enough(image: Image.Image) -> Image.Image:
    """Return a picture in grey, no side of it longer than `SIDE`."""
    share = SIDE / max(*image.size, SIDE)
    size = max(1, round(image.width * share)), max(1, round(image.height * share))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0).convert("L")


def differing(one: Image.Image, other: Image.Image, *, mirrored: bool = False) -> float:
    """Return the share of cells with detail, of either, at which two pictures differ, 0 to 1.

    Parameters
    ----------
    one, other
        Mode L; they are compared at the size of the smaller one.
    mirrored
        One is the other, left and right exchanged.
    """
    size = min(one.width, other.width), min(one.height, other.height)
    if min(size) < LEAST_SIDE:
        return 0.0
    first = _cells(one, size)
    second = _cells(ImageOps.mirror(other) if mirrored else other, size)
    variance = np.maximum((first**2).mean(axis=1), (second**2).mean(axis=1))
    detailed = variance > DETAIL
    if not detailed.any():
        return 0.0
    differ = ((first - second) ** 2).mean(axis=1)[detailed] > ALIKE * variance[detailed]
    return float(differ.mean())


def _cells(image: Image.Image, size: tuple[int, int]) -> Floats:
    """Return the cells of a picture, the mean of each taken away, float32 `[n, CELL ** 2]`."""
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    # A sharp edge that lies half a pixel further is still the same edge.
    levels: npt.NDArray[np.float32] = np.asarray(
        image.filter(ImageFilter.GaussianBlur(1)), np.float32
    )
    height, width = (length // CELL * CELL for length in levels.shape)
    squares = levels[:height, :width].reshape(height // CELL, CELL, width // CELL, CELL)
    cells = squares.swapaxes(1, 2).reshape(-1, CELL * CELL)
    centred: Floats = cells - cells.mean(axis=1, keepdims=True)
    return centred
