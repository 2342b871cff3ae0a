"""When two images are copies: one picture compressed, resized, cropped, mirrored, framed, turned.

Copies of a picture are closer to it than others that look alike are, whatever that is in a catalog
of sofas or of receipts. So a cosine counts by how far it stands out from the background of both
images, the mean of their neighbours beyond any group of copies (score normalisation: Pizzi et al.,
"A Self-Supervised Descriptor for Image Copy Detection", arXiv 2202.10261, section 3.4). What stands
out is compared pixel by pixel: see `correlation.py`. The values of the rules were chosen by
`benchmarks/copies.py`, on other pictures than its figures are of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.search.duplicates.correlation import Miniature
from index.records import Floats

Which = npt.NDArray[np.bool_]


class PairRule(Protocol):
    """When two images belong together."""

    @property
    def least_cosine(self) -> float:
        """No two of a lower cosine do."""

    def background(self, cosines: Floats) -> Floats:
        """Return the background of images by the cosines of their neighbours.

        Parameters
        ----------
        cosines
            Best first, float32 `[n, k]`, -1 where there are no more.
        """

    def may_be(self, cosines: Floats, one: Floats, other: Floats, slack: float = 0.0) -> Which:
        """Say which pairs are worth a look at their pixels.

        Parameters
        ----------
        one, other
            The backgrounds of both.
        slack
            By how much cosines may be understated.
        """

    def are(self, cosine: float, background: float, one: Miniature, other: Miniature) -> bool:
        """Say whether two images belong together, by the mean of their backgrounds, too."""

    def are_unseen(self, cosine: float, background: float) -> bool:
        """Say the same where one of them cannot be read."""


@dataclass(frozen=True, slots=True)
class SamePixels:
    """Two files of the same pixels, saved anew or with other metadata.

    It is the only thing to go by where many images look alike: none stands out of a crowd.

    Attributes
    ----------
    least_cosine
        The least cosine of both.
    least
        The least correlation of their pixels, as they lie.
    unseen
        The least cosine where one of them cannot be read.
    """

    least_cosine: float = 0.95
    least: float = 0.97
    unseen: float = 0.99

    def background(self, cosines: Floats) -> Floats:
        """See `PairRule`: none."""
        return np.zeros(len(cosines), np.float32)

    def may_be(self, cosines: Floats, one: Floats, other: Floats, slack: float = 0.0) -> Which:
        """See `PairRule`."""
        worth: Which = cosines >= self.least_cosine - slack
        return worth

    def are(self, cosine: float, background: float, one: Miniature, other: Miniature) -> bool:
        """See `PairRule`."""
        return one.aligned(other) >= self.least

    def are_unseen(self, cosine: float, background: float) -> bool:
        """See `PairRule`."""
        return cosine >= self.unseen


@dataclass(frozen=True, slots=True)
class Edited:
    """A picture and what was made of it, by how far they stand out and by their pixels.

    Attributes
    ----------
    first, last
        Ranks of the neighbours whose mean cosine is the background of an image.
    floor
        The least background: in a small catalog nothing else may look alike.
    share
        What of the mean background of two images is taken from their cosine.
    least
        The least of such a normalised score; pixels are not asked below it.
    found
        The least correlation of pixels.
    unseen
        The least normalised score where a file cannot be read.
    """

    first: int = 10
    last: int = 20
    floor: float = 0.6
    share: float = 0.7
    least: float = 0.33
    found: float = 0.7
    unseen: float = 0.4

    @property
    def least_cosine(self) -> float:
        """See `PairRule`."""
        return self.least + self.share * self.floor

    def background(self, cosines: Floats) -> Floats:
        """See `PairRule`."""
        beyond = cosines[:, self.first - 1 : self.last]
        there = beyond > -1
        count = np.maximum(there.sum(axis=1), 1)
        mean = np.where(there, beyond, 0).sum(axis=1) / count
        background: Floats = np.maximum(mean, self.floor).astype(np.float32)
        return background

    def may_be(self, cosines: Floats, one: Floats, other: Floats, slack: float = 0.0) -> Which:
        """See `PairRule`."""
        scores = cosines - self.share * (one + other) / 2
        worth: Which = scores >= self.least - slack
        return worth

    def are(self, cosine: float, background: float, one: Miniature, other: Miniature) -> bool:
        """See `PairRule`."""
        return one.correlation(other) >= self.found

    def are_unseen(self, cosine: float, background: float) -> bool:
        """See `PairRule`."""
        return cosine - self.share * background >= self.unseen
