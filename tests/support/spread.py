"""A fake backbone to which different pictures look different: for tests of what is learned."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from engine.learning.data.copies import CopyOptions
from engine.pictures.preprocess import Pixels
from engine.testing import FakeEmbedder, FakeRuntime
from index.records import Floats

# Points at random in a few dimensions are often as similar as copies are. No score is so large.
SAME_CONTENT = CopyOptions(score=1e9, always=1e9)


class SpreadRuntime(FakeRuntime):
    """The sine of each mean: pictures a few shades apart have little to do with each other.

    To the fake backbone itself all rooms look nearly the same, as copies do. Here different drawn
    pictures have cosines below 0.7, and copies of other sizes above 0.99.
    """

    def embed(self, pixels: Pixels) -> Floats:
        """Return embeddings float32 `[n, 48]` of pixels uint8 `[n, 16, 16, 3]`."""
        return np.asarray(np.sin((super().embed(pixels) - np.float32(0.1)) * 32 / 12))


class SpreadEmbedder(FakeEmbedder):
    """The fake embedder with this runtime."""

    @cached_property
    def _runtime(self) -> SpreadRuntime:
        return SpreadRuntime()
