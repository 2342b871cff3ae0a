"""The backbone at work: unit vectors and their lengths, one row a picture."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from engine import Engine
from engine.config import Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.errors import WeightsCorruptError
from engine.pictures.preprocess import Pixels
from engine.progress import SILENT
from engine.runtimes import Runtime
from engine.runtimes.openvino_export import ExportedModel
from engine.testing import FAKE, FakeEmbedder, FakeRuntime
from index.records import Floats
from tests.support.shop import put


@pytest.fixture
def embedder(tmp_path: Path, own_cache: Path) -> Embedder:
    """The embedded backbone on OpenVINO."""
    config = Config.at(
        tmp_path / "store", cache=own_cache, backbone="efficientnet_lite0", runtime="openvino"
    )
    return choose_embedder(config, None, SILENT)


def test_nothing_gives_no_embeddings_of_the_right_width(embedder: Embedder) -> None:
    assert embedder.embed([]).unit.shape == (0, 1280)


@pytest.mark.slow
@pytest.mark.usefixtures("exported")
def test_embeddings_are_unit_vectors_with_their_lengths(
    embedder: Embedder, renders: Pixels
) -> None:
    vectors = embedder.embed(list(renders[:3]))
    assert np.allclose(np.linalg.norm(vectors.unit, axis=1), 1, atol=1e-6)
    assert (vectors.norm > 1).all()


def test_threads_that_come_first_together_start_one_backbone(tmp_path: Path) -> None:
    config = Config.at(tmp_path / "store")
    together, started = Barrier(4), list[str]()

    class Started(Embedder):
        def _started(self) -> Runtime:
            started.append("once")
            time.sleep(0.05)
            return FakeRuntime()

    embedder = Started(config, FAKE, "0", lambda: ExportedModel(Path("none"), None), "fp32", SILENT)

    def start() -> None:
        together.wait()
        embedder.start()

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(start) for _ in range(4)]:
            each.result()
    assert started == ["once"]


class Overflowing(FakeEmbedder):
    """What it computes of one picture of three is no number, or too large for its square."""

    value = np.nan

    @cached_property
    def _runtime(self) -> FakeRuntime:
        value = self.value

        class Runtime(FakeRuntime):
            def embed(self, pixels: Pixels) -> Floats:
                embeddings = super().embed(pixels)
                embeddings[pixels.sum(axis=(1, 2, 3), dtype=np.int64) % 3 == 0, 5] = value
                return embeddings

        return Runtime()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_no_number_is_an_error_of_the_backbone(tmp_path: Path, value: float) -> None:
    """Weights pass every check, and overflow with a picture that nobody has tried."""
    paths = [put(tmp_path / "shop" / f"{content}.bmp", content) for content in range(12)]
    config = Config.at(tmp_path / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index(paths[:3])
    embedder = Overflowing(config)
    embedder.value = value
    with Engine(config, embedder=embedder) as engine:
        for ask in (engine.index, engine.search, engine.classify):
            with pytest.raises(WeightsCorruptError, match="is NaN or infinite") as caught:
                ask(paths)
            assert caught.value.thing == "fake"
        assert (engine.status().images, engine.status().consistent) == (3, True)
