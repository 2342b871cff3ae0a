"""Whether two pictures that look the same when small are the same at their own size.

Receipts of one form, and the frames of a burst, are the same picture to a network and to anybody
who sees them small. Places with detail are compared one by one, where compression, a change of size
and a loss of colour hardly move anything. Two lamps or beds of one shape are the same when one may
be shrunk and moved about; in a copy each place of that part is found again beside its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from engine.search.duplicates.correlation import Box, Elsewhere, Miniature
from index.records import Floats

# Pixels of the longer side, beyond which nothing is looked at, and of the shorter one, below which
# a picture shows nothing that its miniature does not.
SIDE, LEAST_SIDE = 512, 128
# Pixels of the side of a cell, the variance from which it has detail (levels of 255), and the
# share of it by which two cells that show the same may differ.
CELL, DETAIL, ALIKE = 8, 900.0, 0.2
# Two pictures that correlate by so much, as they lie or mirrored, must be the same from close by,
# but for this share of their places: a mark may have been put on one.
LIES_ON, MARKED = 0.95, 0.05
# Of two that correlate by less, one was found elsewhere in the other: of the places of that part,
# brought to so many pixels, so many may not be found again.
LIES_ABOUT, PART, LOST = 0.7, 128, 0.1
# Pixels of the side of such a place, and by how much it may have moved: sizes were only tried some
# percent apart. The least deviation of what has detail, in levels of 255.
BLOCK, MOVED, LEAST = 16, 6, 3.0
# The correlation at which a place is found again, and the least ratio of both contrasts.
FOUND, CONTRAST = 0.8, 0.4


@dataclass(frozen=True, slots=True)
class CloseComparison:
    """What has to be looked at from close by to tell whether two pictures are the same.

    Attributes
    ----------
    mirrored
        They lie on each other, mirrored or not.
    elsewhere
        Else where one lies in the other.
    """

    mirrored: bool = False
    elsewhere: Elsewhere | None = None

    def are_same(self, one: Image.Image, other: Image.Image) -> bool:
        """Say whether they are, in grey as `small_enough` gives them."""
        if self.elsewhere is not None:
            return lost(one, other, self.elsewhere) <= LOST
        return differing(one, other, mirrored=self.mirrored) <= MARKED


def close_comparison(one: Miniature, other: Miniature) -> CloseComparison | None:
    """Return what to look at, None where their miniatures tell all that is to be known."""
    mirrored = one.lies_on(other, LIES_ON)
    if mirrored is not None:
        return CloseComparison(mirrored)
    elsewhere = one.elsewhere(other, LIES_ABOUT)
    return None if elsewhere is None else CloseComparison(elsewhere=elsewhere)


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


def lost(one: Image.Image, other: Image.Image, elsewhere: Elsewhere) -> float:
    """Return the share of places with detail of a part that are not found again, 0 to 1.

    Parameters
    ----------
    one, other
        Mode L.
    elsewhere
        Where one lies in the other.
    """
    if elsewhere.mirrored:
        other = ImageOps.mirror(other)
    inner, outer = (other, one) if elsewhere.swapped else (one, other)
    match = elsewhere.match
    if match.degrees:
        inner = inner.rotate(match.degrees, Image.Resampling.BICUBIC)
    first, second = _part(inner, match.part), _part(outer, match.box)
    end = MOVED + (PART - 2 * MOVED) // BLOCK * BLOCK
    blocks, contrast = _blocks(first[MOVED:end, MOVED:end])
    found = np.full(len(blocks), -1, np.float32)
    detailed = contrast > LEAST
    for down in range(-MOVED, MOVED + 1):
        for across in range(-MOVED, MOVED + 1):
            rows, columns = (slice(MOVED + by, end + by) for by in (down, across))
            others, other_contrast = _blocks(second[rows, columns])
            if not down and not across:
                detailed |= other_contrast > LEAST
            both = contrast, other_contrast
            fits = np.minimum(*both) >= CONTRAST * np.maximum(*both)
            products = np.einsum("np,np->n", blocks, others)
            scale = np.maximum(contrast * other_contrast * BLOCK**2, 1e-6)
            found = np.where(fits, np.maximum(found, products / scale), found)
    return float((found[detailed] < FOUND).mean()) if detailed.any() else 0.0


def _part(image: Image.Image, box: Box) -> Floats:
    """Return the detail of a part of a picture, brought to `PART` by `PART` pixels."""
    left, top, right, bottom = box
    pixels = (
        left * image.width,
        top * image.height,
        min(right, 1.0) * image.width,
        min(bottom, 1.0) * image.height,
    )
    part = image.resize((PART, PART), Image.Resampling.LANCZOS, box=pixels)
    smooth = part.filter(ImageFilter.GaussianBlur(1))
    blurred = smooth.filter(ImageFilter.GaussianBlur(4))
    return np.asarray(smooth, np.float32) - np.asarray(blurred, np.float32)


def _blocks(detail: Floats) -> tuple[Floats, Floats]:
    """Return places less their means, float32 `[n, BLOCK ** 2]`, and their deviations, `[n]`."""
    count = len(detail) // BLOCK
    squares = detail.reshape(count, BLOCK, count, BLOCK).swapaxes(1, 2)
    blocks = squares.reshape(count * count, BLOCK * BLOCK)
    centred: Floats = blocks - blocks.mean(axis=1, keepdims=True)
    return centred, np.sqrt((centred**2).mean(axis=1))


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
