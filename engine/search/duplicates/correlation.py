"""Whether two pictures show the same pixels, once cropped, framed, mirrored or turned a little.

Normalised cross-correlation of small grey copies (J. P. Lewis, "Fast Normalized Cross-Correlation",
1995): each of the two, shrunk or turned, is looked for in the other. What is brighter or darker at
large, as a product on a white ground is, was taken away before: only detail is compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from index.records import Floats

# Pixels of a side.
SIDE = 64
# By how much one may have been shrunk to lie in the other, its height more or less than its width
# as in a frame of equal border, and degrees by which it may be turned: of a turned one the middle
# is looked for, without the corners that were filled.
SHRUNK = (1.0, 0.96, 0.92, 0.885, 0.85, 0.815, 0.78, 0.745, 0.71, 0.68, 0.65)
STRETCHED = (0.965, 1.0, 1.035)
TURNED = (-10, -5, 5, 10)
MIDDLE = 44
# What a turned one is found by must be more by so much: the middle of a face is in another face.
FOR_TURNED = 0.15
# Of the blur that is taken away, in pixels. What lies beside a picture, such as a frame, changes
# the detail at its border, which is not looked for.
BLUR, INNER = 3, slice(4, -4)
# The deviation of detail, in levels of 255, below which there is nothing to compare.
BLANK = 2.0
# The correlation at which no better place is looked for.
ENOUGH = 0.9
Spectra: TypeAlias = npt.NDArray[np.complexfloating]
Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Match:
    """Where a part of one picture is most like a part of another.

    Attributes
    ----------
    correlation
        Of both parts, -1 to 1, less what being turned costs.
    part, box
        The part of the one, and that of the other: left, top, right and bottom, in fractions of the
        sides.
    degrees
        By which the one was turned before.
    """

    correlation: float
    part: Box
    box: Box
    degrees: int = 0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One of two pictures lies elsewhere in the other than on it.

    Attributes
    ----------
    match
        Where.
    swapped
        It is the second that lies in the first.
    mirrored
        The second is seen in a mirror.
    """

    match: Match
    swapped: bool
    mirrored: bool


class Miniature:
    """A small grey copy of a picture.

    Parameters
    ----------
    grey
        Mode L, `SIDE` by `SIDE` pixels.
    aspect
        The width of the picture by its height.
    """

    def __init__(self, grey: Image.Image, aspect: float) -> None:
        self._grey = grey
        self._aspect = aspect

    @classmethod
    def of(cls, image: Image.Image) -> Miniature:
        """Return the miniature of a picture of any size."""
        small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        return cls(small.convert("L"), image.width / image.height)

    @cached_property
    def _detail(self) -> Floats:
        return _detail(self._grey)

    @property
    def made_of(self) -> tuple[Image.Image, float]:
        """All that it is made of: its pixels, and the aspect of the picture."""
        return self._grey, self._aspect

    @property
    def is_blank(self) -> bool:
        """Whether there is hardly anything to see: a black frame, an empty page."""
        return float(self._detail.std()) < BLANK

    @cached_property
    def mirrored(self) -> Miniature:
        """The same, left and right exchanged."""
        return Miniature(ImageOps.mirror(self._grey), self._aspect)

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

    def elsewhere(self, other: Miniature, least: float) -> Elsewhere | None:
        """Return where one lies in the other, None where they lie on each other by so much."""
        if self.lies_on(other, least) is not None:
            return None
        return max(self._matches(other), key=lambda found: found.match.correlation)

    def _shifted(self, other: Miniature) -> float:
        return max(found.match.correlation for found in self._matches(other))

    def _matches(self, other: Miniature) -> list[Elsewhere]:
        return [
            Elsewhere(self._match_in(other), swapped=False, mirrored=False),
            Elsewhere(other._match_in(self), swapped=True, mirrored=False),
            Elsewhere(self._match_in(other.mirrored), swapped=False, mirrored=True),
            Elsewhere(other.mirrored._match_in(self), swapped=True, mirrored=True),
        ]

    def _match_in(self, other: Miniature) -> Match:
        """Return where a part of this one is found with the highest correlation."""
        sizes, spectra = self._templates
        products = np.fft.irfft2(other._spectrum * spectra, (SIDE, SIDE))
        best, where, turned = -1.0, (0, 0, 0), len(sizes) - len(TURNED)
        for row, (height, width) in enumerate(sizes):
            valid = products[row, : SIDE - height + 1, : SIDE - width + 1]
            found = valid / other._norms(height, width)
            at = int(found.argmax())
            value = float(found.flat[at]) - FOR_TURNED * (row >= turned)
            if value > best:
                best, where = value, (row, *divmod(at, found.shape[1]))
        row, top, left = where
        height, width = sizes[row]
        box = left / SIDE, top / SIDE, (left + width) / SIDE, (top + height) / SIDE
        if row < turned:
            # Around what is looked for lies a border that is not.
            across, down = (INNER.start / (length + 2 * INNER.start) for length in (width, height))
            return Match(best, (across, down, 1 - across, 1 - down), box)
        beside = (1 - MIDDLE / SIDE) / 2
        part = beside, beside, 1 - beside, 1 - beside
        return Match(best, part, box, TURNED[row - turned])

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
    def _templates(self) -> tuple[list[tuple[int, int]], Spectra]:
        """The heights and widths of what is looked for, and its spectra, of mean 0 and norm 1."""
        sizes = {
            (round(SIDE * share * stretch), round(SIDE * share))
            for share in SHRUNK
            for stretch in STRETCHED
            if share * stretch <= 1
        }
        bilinear = Image.Resampling.BILINEAR
        parts = [
            _detail(self._grey.resize((width, height), bilinear))[INNER, INNER]
            for height, width in sorted(sizes)
        ]
        start = (SIDE - MIDDLE) // 2
        middle = slice(start, start + MIDDLE)
        parts += [_detail(self._turned(degrees))[middle, middle] for degrees in TURNED]
        padded = np.zeros((len(parts), SIDE, SIDE), np.float32)
        for row, part in enumerate(parts):
            centred = part - part.mean()
            norm = max(float(np.linalg.norm(centred)), BLANK)
            height, width = part.shape
            padded[row, :height, :width] = centred / norm
        spectra: Spectra = np.conj(np.fft.rfft2(padded))
        return [(part.shape[0], part.shape[1]) for part in parts], spectra

    def _turned(self, degrees: float) -> Image.Image:
        """Return it as the picture looks when that is turned, whatever its aspect."""
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        # Pillow asks where each pixel comes from.
        across, down = -sine / self._aspect, sine * self._aspect
        middle = (SIDE - 1) / 2
        matrix = (
            *(cosine, across, middle * (1 - cosine - across)),
            *(down, cosine, middle * (1 - cosine - down)),
        )
        size, affine = (SIDE, SIDE), Image.Transform.AFFINE
        return self._grey.transform(size, affine, matrix, Image.Resampling.BICUBIC)

    @cached_property
    def _sums(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The summed-area tables of detail and of its square."""
        detail = self._detail.astype(np.float64)
        one, square = (each.cumsum(0).cumsum(1) for each in (detail, detail * detail))
        return np.pad(one, ((1, 0), (1, 0))), np.pad(square, ((1, 0), (1, 0)))

    def _norms(self, height: int, width: int) -> Floats:
        """Return the norm of every part of so many pixels, its mean taken away."""
        strips = [table[height:] - table[:-height] for table in self._sums]
        one, square = (strip[:, width:] - strip[:, :-width] for strip in strips)
        pixels = height * width
        variance = np.maximum(square / pixels - (one / pixels) ** 2, 1.0)
        norms: Floats = np.sqrt(variance * pixels)
        return norms


def _detail(grey: Image.Image) -> Floats:
    """Return a picture less a blurred copy of it, float32 `[height, width]`, levels of 255."""
    blurred = grey.filter(ImageFilter.GaussianBlur(BLUR))
    return np.asarray(grey, np.float32) - np.asarray(blurred, np.float32)
