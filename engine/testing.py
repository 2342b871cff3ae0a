"""For tests, ours and yours: a backbone that is deterministic, instant, and needs no weights.

    from engine import Config, Engine
    from engine.testing import FakeEmbedder

    config = Config.at(tmp_path / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([tmp_path / "pictures"])

What it computes from a picture is not useful, but differs between pictures and is the same every
time. It is meant for tests of storage and of crashes, not of what pictures show.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from engine.backbones.table import Backbone, Published
from engine.backbones.weights_source import Packaged
from engine.config import Config
from engine.embedding.embedder import Embedder
from engine.heads.classifier import BuiltIn
from engine.heads.head import Dense
from engine.pictures.preprocess import Pixels, Preprocessing
from engine.progress import SILENT, Reporter
from engine.runtimes.openvino_export import ExportedModel
from index.records import Floats

FAKE = Backbone(
    name="fake",
    library="none",
    architecture="mean of cells",
    classifier="none",
    dim=48,
    preprocessing=Preprocessing(16, 16, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    weights=Packaged("engine.testing", "none", "0" * 64, 0),
    published=Published(0, 0.0, 0.0),
)
CATEGORIES = tuple(f"thing {number}" for number in range(20))


class FakeRuntime:
    """The mean of each 4 x 4 cell of a picture and color; a batch changes nothing."""

    name = "fake"
    batch = 32

    def embed(self, pixels: Pixels) -> Floats:
        """Return embeddings float32 `[n, 48]` of pixels uint8 `[n, 16, 16, 3]`."""
        cells = pixels.astype(np.float32).reshape(len(pixels), 4, 4, 4, 4, 3).mean(axis=(2, 4))
        embeddings: Floats = cells.reshape(len(pixels), 48) / np.float32(32) + np.float32(0.1)
        return embeddings


def _no_files() -> ExportedModel:
    """Return the exported files that the fake backbone does not have."""
    return ExportedModel(Path("fake"), None)


class FakeEmbedder(Embedder):
    """An embedder with the fake backbone.

    Parameters
    ----------
    config
        As for the real one.
    weights_sha256
        Pretend to be other weights.
    """

    def __init__(
        self, config: Config, reporter: Reporter = SILENT, *, weights_sha256: str = "0" * 64
    ) -> None:
        fingerprint = FAKE.fingerprint(weights_sha256)
        precision = config.precision or "fp32"
        super().__init__(config, FAKE, fingerprint, _no_files, precision, reporter)

    @property
    def maker(self) -> type[FakeEmbedder]:
        """The class itself."""
        return FakeEmbedder

    @cached_property
    def _runtime(self) -> FakeRuntime:
        return FakeRuntime()

    @cached_property
    def built_in(self) -> BuiltIn:
        """Twenty categories with weights at random, always the same."""
        rng = np.random.default_rng(0)
        weight = rng.normal(size=(len(CATEGORIES), FAKE.dim)).astype(np.float32)
        return BuiltIn(Dense(weight, np.zeros(len(CATEGORIES), np.float32)), CATEGORIES)
