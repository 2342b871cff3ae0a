"""The library that resizes in a third of the time gives what Pillow gives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.backbones.table import backbone_named
from engine.pictures.decode import decode
from engine.pictures.preprocess import Preprocessing
from engine.pictures.resize import by_pillow, fastest
from engine.runtimes import open_runtime
from engine.runtimes.openvino_export import ExportedModel
from index.records import Floats

pytest.importorskip("cykooz_resizer", reason="the library that resizes fast is not installed")

LITE0 = backbone_named("efficientnet_lite0").preprocessing
RESNET50 = backbone_named("resnet50").preprocessing
FILTERS = pytest.mark.parametrize("preprocessing", [LITE0, RESNET50], ids=["bicubic", "bilinear"])


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(width * 7919 + height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@FILTERS
@settings(deadline=None, max_examples=60)
@given(width=st.integers(1, 900), height=st.integers(1, 900))
def test_pixels_differ_from_those_of_pillow_by_two_levels_at_most(
    preprocessing: Preprocessing, width: int, height: int
) -> None:
    image = noise(width, height)
    fast = preprocessing.pixels(image).astype(int)
    difference = np.abs(fast - preprocessing.pixels(image, by_pillow))
    # Of a strip Pillow takes a part, whose passes may come in the other order.
    if max(width, height) <= 16 * min(width, height):
        assert difference.max() <= 2


@pytest.fixture
def nothing_chosen() -> Iterator[None]:
    """The choice is made anew, here and after."""
    fastest.cache_clear()
    yield
    fastest.cache_clear()


@pytest.mark.usefixtures("nothing_chosen")
def test_without_the_library_pillow_resizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cykooz_resizer", None)
    assert fastest() is by_pillow


def test_pixels_can_be_written_to() -> None:
    # OpenVINO reads where they lie, which it does of writable memory only.
    assert LITE0.pixels(noise(300, 200)).flags.writeable


def test_several_threads_get_what_one_gets() -> None:
    images = [noise(200 + 13 * number, 300) for number in range(8)]
    alone = [LITE0.pixels(image) for image in images]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(LITE0.pixels, images * 10))
    assert all(np.array_equal(a, b) for a, b in zip(alone * 10, together, strict=True))


@pytest.mark.slow
def test_photographs_get_the_embedding_that_pillow_gives(
    real_images: Path, exported: ExportedModel, cosines: Callable[[Floats, Floats], Floats]
) -> None:
    paths = sorted((real_images / "catalog").rglob("*.jpg"))[::6]
    images = [decode(path.read_bytes(), str(path), 10**8).pixels for path in paths]
    runtime = open_runtime("openvino", backbone_named("efficientnet_lite0"), exported, "fp32")
    fast = runtime.embed(np.stack([LITE0.pixels(image) for image in images]))
    plain = runtime.embed(np.stack([LITE0.pixels(image, by_pillow) for image in images]))
    assert cosines(fast, plain).min() >= 0.9999
