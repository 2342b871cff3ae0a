"""From picture to pixels: what torchvision and timm do for the weights, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.backbones.table import Backbone, backbone_named
from engine.backbones.torchvision_import import import_torchvision
from engine.backbones.weights import WeightsFile, file_sha256
from engine.pictures.decode import decode
from engine.pictures.preprocess import Pixels, mirrored
from engine.pictures.resize import Resize, by_pillow, fastest
from engine.runtimes import open_runtime
from engine.runtimes.openvino_export import ExportedModel, export_openvino
from index.records import Floats

LITE0, RESNET50 = backbone_named("efficientnet_lite0"), backbone_named("resnet50")
BOTH = pytest.mark.parametrize("backbone", [LITE0, RESNET50], ids=lambda each: each.name)
KERNELS = pytest.mark.parametrize("resize", [by_pillow, fastest()], ids=["pillow", "fastest"])
Cosines = Callable[[Floats, Floats], Floats]


@cache
def published(backbone: Backbone) -> Any:
    """The transform that the library publishes for the weights."""
    import_torchvision()
    if backbone is RESNET50:
        from torchvision.models import ResNet50_Weights

        return ResNet50_Weights.IMAGENET1K_V2.transforms()
    from timm.data import create_transform, resolve_data_config
    from timm.models import get_pretrained_cfg

    config = resolve_data_config(pretrained_cfg=get_pretrained_cfg(LITE0.architecture).to_dict())
    config |= {"mean": LITE0.preprocessing.mean, "std": LITE0.preprocessing.std}
    return create_transform(**config, is_training=False)


def published_pixels(backbone: Backbone, image: Image.Image) -> Any:
    """What the published transform makes of a picture, with the arithmetic on colours undone."""
    values = published(backbone)(image).permute(1, 2, 0).double().numpy()
    values = (values * backbone.preprocessing.std + backbone.preprocessing.mean) * 255
    assert np.abs(values - np.rint(values)).max() < 1e-3
    return np.rint(values).astype(np.uint8)


def assert_same(ours: Pixels, theirs: Any) -> None:
    """Hold pixels against others, but for values that were rounded the other way."""
    difference = np.abs(ours.astype(int) - theirs)
    assert difference.max() <= 2
    assert difference.mean() <= 0.2


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(width * 7919 + height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def waves(width: int, height: int) -> Image.Image:
    """A smooth picture, on which the order of two resizing passes makes no difference."""
    x, y = np.arange(width)[None, :, None], np.arange(height)[:, None, None]
    phase = np.arange(3)[None, None, :]
    short = min(width, height)
    values = 128 + 50 * np.sin(6 * x / short + phase) + 50 * np.cos(5 * y / short - phase)
    return Image.fromarray(values.astype(np.uint8))


@BOTH
@KERNELS
@settings(deadline=None, max_examples=30)
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_pixels_are_those_of_the_published_transform_but_for_rounding(
    backbone: Backbone, resize: Resize, width: int, height: int
) -> None:
    if max(width, height) > 16 * min(width, height):
        height = width
    image = noise(width, height)
    assert_same(backbone.preprocessing.pixels(image, resize), published_pixels(backbone, image))


@BOTH
@KERNELS
@pytest.mark.parametrize("size", [(1, 1), (1, 16), (2, 1), (224, 224), (256, 256), (2000, 1500)])
def test_sizes_at_the_edges_give_the_published_pixels(
    backbone: Backbone, resize: Resize, size: tuple[int, int]
) -> None:
    image = noise(*size)
    assert_same(backbone.preprocessing.pixels(image, resize), published_pixels(backbone, image))


@BOTH
@KERNELS
@settings(deadline=None, max_examples=15)
@given(short=st.integers(1, 40), ratio=st.floats(16, 60), upright=st.booleans())
def test_thin_strips_give_the_published_pixels_but_for_rounding(
    backbone: Backbone, resize: Resize, short: int, ratio: float, upright: bool
) -> None:
    size = (short, round(short * ratio))
    image = waves(*(size if upright else size[::-1]))
    ours = backbone.preprocessing.pixels(image, resize).astype(int)
    # Pillow may resize a part across first where it resizes the whole down first, and rounds in
    # between: half a level each time, a little more after a bicubic filter.
    assert np.abs(ours - published_pixels(backbone, image)).max() <= 2


@pytest.mark.parametrize("size", [(10, 20_000), (20_000, 10), (1, 60_000)])
def test_a_very_long_strip_is_never_resized_whole(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    made: list[int] = []
    resize = Image.Image.resize

    def watched(image: Image.Image, *arguments: Any, **options: Any) -> Image.Image:
        result = resize(image, *arguments, **options)
        made.append(result.width * result.height)
        return result

    monkeypatch.setattr(Image.Image, "resize", watched)
    pixels = LITE0.preprocessing.pixels(Image.new("RGB", size), by_pillow)
    assert pixels.shape == (224, 224, 3)
    assert made and max(made) <= 17 * 256 * 256


@KERNELS
def test_the_middle_of_a_very_long_strip_is_kept(resize: Resize) -> None:
    image = Image.new("RGB", (10, 20_000), (255, 0, 0))
    image.paste((0, 0, 255), (0, 9_990, 10, 10_010))
    pixels = LITE0.preprocessing.pixels(image, resize)
    assert np.unique(pixels.reshape(-1, 3), axis=0).tolist() == [[0, 0, 255]]


def test_mirroring_swaps_left_and_right_and_nothing_else() -> None:
    pixels = np.asarray(noise(5, 4))
    assert np.array_equal(mirrored(pixels), pixels[:, ::-1])
    assert np.array_equal(mirrored(np.stack([pixels] * 2))[1], pixels[:, ::-1])


@pytest.fixture(scope="module")
def original_lite0(weights: WeightsFile) -> Any:
    """The embedded weights in timm's network, put together without the engine."""
    import_torchvision()
    import timm

    network = timm.create_model(LITE0.architecture, pretrained=False)
    tensors = torch.load(weights.path, weights_only=True).values()
    network.load_state_dict(dict(zip(network.state_dict(), tensors, strict=True)))
    network.reset_classifier(0)
    return network.eval()


@pytest.fixture(scope="module")
def original_resnet50(resnet50_file: Path) -> Any:
    """The weights at random in torchvision's network, put together without the engine."""
    import_torchvision()
    from torchvision.models import resnet50

    network = resnet50()
    network.load_state_dict(torch.load(resnet50_file, weights_only=True))
    network.fc = torch.nn.Identity()
    return network.eval()


def embeddings(
    paths: list[Path], backbone: Backbone, network: Any, exported: ExportedModel
) -> tuple[Floats, Floats]:
    """Embeddings of pictures by our whole path, and by the network after its own transform."""
    pixels = [
        backbone.preprocessing.pixels(decode(path.read_bytes(), str(path), 10**8).pixels)
        for path in paths
    ]
    ours = open_runtime("openvino", backbone, exported, "fp32").embed(np.stack(pixels))
    with torch.inference_mode():
        inputs = [published(backbone)(Image.open(path).convert("RGB")) for path in paths]
        theirs = network(torch.stack(inputs)).numpy()
    return ours, theirs


@pytest.mark.slow
def test_photographs_get_the_embedding_of_timm(
    real_images: Path, original_lite0: Any, exported: ExportedModel, cosines: Cosines
) -> None:
    paths = sorted((real_images / "catalog").rglob("*.jpg"))[::30][:20]
    assert cosines(*embeddings(paths, LITE0, original_lite0, exported)).min() >= 0.999


@pytest.mark.slow
def test_drawn_images_get_the_embedding_of_timm(
    drawn: Path, original_lite0: Any, exported: ExportedModel, cosines: Cosines
) -> None:
    paths = sorted(drawn.rglob("*.jpg"))[::5]
    assert cosines(*embeddings(paths, LITE0, original_lite0, exported)).min() >= 0.999


@pytest.mark.slow
def test_drawn_images_get_the_embedding_of_torchvision(
    drawn: Path, own_cache: Path, resnet50_file: Path, original_resnet50: Any, cosines: Cosines
) -> None:
    file = WeightsFile(resnet50_file, file_sha256(resnet50_file), "test")
    exported = export_openvino(RESNET50, file, own_cache, lambda text: None)
    paths = sorted(drawn.rglob("*.jpg"))[::8]
    ours, theirs = embeddings(paths, RESNET50, original_resnet50, exported)
    assert cosines(ours, theirs).min() >= 0.999
    # Weights at random say nearly the same of all pictures; what differs must agree, too.
    middle = theirs.mean(axis=0)
    assert cosines(ours - middle, theirs - middle).min() >= 0.99


def test_pixels_are_eight_bit_and_of_the_crop_s_size() -> None:
    pixels: Pixels = RESNET50.preprocessing.pixels(noise(300, 200))
    assert (pixels.shape, pixels.dtype) == ((224, 224, 3), np.uint8)
