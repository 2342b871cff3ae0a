"""Whether two pictures show the same pixels, once cropped, framed, mirrored or turned a little.

Normalised cross-correlation of small grey copies (J. P. Lewis, "Fast Normalized Cross-Correlation",
1995): each of the two, shrunk or turned, is looked for in the other. What is brighter or darker at
large, as a product on a white ground is, was taken away before: only detail is compared.
"""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from index.records import Floats

# Pixels of a side.
SIDE = 64
# By how much one may have been shrunk to lie in the other, and degrees by which it may be turned:
# of a turned one the middle is looked for, without the corners that were filled.
SHRUNK = (1.0, 0.92, 0.85, 0.78, 0.71, 0.65)
TURNED = (-10, -5, 5, 10)
MIDDLE = 44
# Of the blur that is taken away, in pixels.
BLUR = 3
# The deviation of detail, in levels of 255, below which there is nothing to compare.
BLANK = 2.0
# The correlation at which no better place is looked for.
ENOUGH = 0.9
Spectra: TypeAlias = npt.NDArray[np.complexfloating]


class Miniature:
    """A small grey copy of a picture.

    Parameters
    ----------
    grey
        Mode L, `SIDE` by `SIDE` pixels.
    """

    def __init__(self, grey: Image.Image) -> None:
        self._grey = grey

    @classmethod
    def of(cls, image: Image.Image) -> Miniature:
        """Return the miniature of a picture of any size."""
        small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        return cls(small.convert("L"))

    @cached_property
    def _detail(self) -> Floats:
        return _detail(self._grey)

    @property
    def grey(self) -> Image.Image:
        """Its pixels, all that it is made of."""
        return self._grey

    @property
    def is_blank(self) -> bool:
        """Whether there is hardly anything to see: a black frame, an empty page."""
        return float(self._detail.std()) < BLANK

    @cached_property
    def mirrored(self) -> Miniature:
        """The same, left and right exchanged."""
        return Miniature(ImageOps.mirror(self._grey))

    def aligned(self, other: Miniature) -> float:
        """Return the correlation of both as they lie, -1 to 1."""
        return float(self._unit @ other._unit)

    def lies_on(self, other: Miniature, least: float) -> bool | None:
        """Return whether it lies on another mirrored, None where it does not by so much."""
        if self.aligned(other) >= least:
            return False
        return True if self.aligned(other.mirrored) >= least else None

    def correlation(self, other: Miniature) -> float:
        """Return how much of one is found in the other, as they are or mirrored, -1 to 1."""
        best = max(self.aligned(other), self.aligned(other.mirrored))
        return best if best >= ENOUGH else max(best, min(self._shifted(other), 1.0))

    def _shifted(self, other: Miniature) -> float:
        return max(
            self._found_in(other),
            other._found_in(self),
            self._found_in(other.mirrored),
            other.mirrored._found_in(self),
        )

    def _found_in(self, other: Miniature) -> float:
        """Return the highest correlation of a part of this one with a place in another."""
        sizes, spectra = self._templates
        products = np.fft.irfft2(other._spectrum * spectra, (SIDE, SIDE))
        return max(
            float((products[row, : SIDE - size + 1, : SIDE - size + 1] / other._norms(size)).max())
            for row, size in enumerate(sizes)
        )

    @cached_property
    def _unit(self) -> Floats:
        centred = (self._detail - self._detail.mean()).ravel()
        unit: Floats = centred / max(float(np.linalg.norm(centred)), SIDE * BLANK / 2)
        return unit

    @cached_property
    def _spectrum(self) -> Spectra:
        spectrum: Spectra = np.fft.rfft2(self._detail)
        return spectrum

    @cached_property
    def _templates(self) -> tuple[list[int], Spectra]:
        """The sizes of what is looked for, and its spectra, of zero mean and unit norm."""
        sizes = [round(SIDE * share) for share in SHRUNK]
        bilinear = Image.Resampling.BILINEAR
        parts = [_detail(self._grey.resize((size, size), bilinear)) for size in sizes]
        start = (SIDE - MIDDLE) // 2
        middle = slice(start, start + MIDDLE)
        for degrees in TURNED:
            turned = _detail(self._grey.rotate(degrees, Image.Resampling.BICUBIC))
            parts.append(turned[middle, middle])
        padded = np.zeros((len(parts), SIDE, SIDE), np.float32)
        for row, part in enumerate(parts):
            centred = part - part.mean()
            norm = max(float(np.linalg.norm(centred)), BLANK)
            padded[row, : len(part), : len(part)] = centred / norm
        spectra: Spectra = np.conj(np.fft.rfft2(padded))
        return [len(part) for part in parts], spectra

    @cached_property
    def _sums(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The summed-area tables of detail and of its square."""
        detail = self._detail.astype(np.float64)
        one, square = (each.cumsum(0).cumsum(1) for each in (detail, detail * detail))
        return np.pad(one, ((1, 0), (1, 0))), np.pad(square, ((1, 0), (1, 0)))

    def _norms(self, size: int) -> Floats:
        """Return the norm of every square of so many pixels, its mean taken away."""
        one, square = (
            table[size:, size:]
            - table[:-size, size:]
            - table[size:, :-size]
            + table[:-size, :-size]
            for table in self._sums
        )
        pixels = size * size
        variance = np.maximum(square / pixels - (one / pixels) ** 2, 1.0)
        norms: Floats = np.sqrt(variance * pixels)
        return norms


def _detail(grey: Image.Image) -> Floats:
    """Return a picture less a blurred copy of it, float32 `[height, width]`, levels of 255."""
    blurred = grey.filter(ImageFilter.GaussianBlur(BLUR))
    return np.asarray(grey, np.float32) - np.asarray(blurred, np.float32)
