"""Large JPEGs are unpacked at part of their size, and nobody can tell from the answer."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from engine.backbones.table import backbone_named
from engine.embedding.embedder import ENOUGH
from engine.errors import ImageError
from engine.pictures.decode import decode
from engine.runtimes import open_runtime
from engine.runtimes.openvino_export import ExportedModel
from index.records import Floats

LIMIT = 10**8
LITE0 = backbone_named("efficientnet_lite0")
Cosines = Callable[[Floats, Floats], Floats]


def waves(width: int, height: int) -> Image.Image:
    """A smooth picture that looks different from each of its corners."""
    x, y = np.arange(width)[None, :, None], np.arange(height)[:, None, None]
    colours = np.array([80.0, 120.0, 40.0])
    values = 60 + colours * x / width + (180 - colours) * (y / height) ** 2
    return Image.fromarray(values.astype(np.uint8))


def jpeg(image: Image.Image, orientation: int = 1, **options: object) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, exif=exif, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("enough", "size"),
    [(None, (400, 320)), (321, (400, 320)), (160, (200, 160)), (100, (200, 160)), (40, (50, 40))],
)
def test_a_jpeg_keeps_enough_pixels_on_both_sides(
    enough: int | None, size: tuple[int, int]
) -> None:
    assert decode(jpeg(waves(400, 320)), "a picture", LIMIT, enough).pixels.size == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_told_is_the_whole_image_s_as_a_viewer_shows_it(orientation: int) -> None:
    data = jpeg(waves(400, 320), orientation)
    whole, reduced = (decode(data, "a picture", LIMIT, enough) for enough in (None, 40))
    assert (reduced.width, reduced.height) == (whole.width, whole.height) == whole.pixels.size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_jpeg_is_upright(orientation: int) -> None:
    data = jpeg(waves(400, 320), orientation)
    whole, reduced = (decode(data, "a picture", LIMIT, enough).pixels for enough in (None, 40))
    small = whole.resize(reduced.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(reduced)).max() <= 4


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_printers_jpegs_are_reduced_and_come_out_as_rgb(mode: str) -> None:
    image = decode(jpeg(waves(400, 320).convert(mode)), "a picture", LIMIT, 40)
    assert (image.pixels.mode, image.pixels.size) == ("RGB", (50, 40))


def test_other_formats_are_unpacked_whole() -> None:
    buffer = io.BytesIO()
    waves(400, 320).save(buffer, "PNG")
    assert decode(buffer.getvalue(), "a picture", LIMIT, 40).pixels.size == (400, 320)


def test_a_large_jpeg_that_is_cut_off_is_damaged_still() -> None:
    data = jpeg(waves(1600, 1200))
    with pytest.raises(ImageError, match="damaged"):
        decode(data[: len(data) // 2], "a picture", LIMIT, 40)


def enlarged(path: Path, number: int) -> bytes:
    """Return a picture as a camera of 3 Mpx would have taken it, with its noise."""
    large = Image.open(path).convert("RGB").resize((2048, 1536), Image.Resampling.LANCZOS)
    noise = np.random.default_rng(number).normal(0, 4, (1536, 2048, 3))
    values = np.clip(np.asarray(large) + noise, 0, 255).astype(np.uint8)
    return jpeg(Image.fromarray(values))


def assert_embedded_alike(paths: list[Path], exported: ExportedModel, cosines: Cosines) -> None:
    runtime = open_runtime("openvino", LITE0, exported, "fp32")
    pixels = LITE0.preprocessing.pixels
    files = [enlarged(path, number) for number, path in enumerate(paths)]
    enough = ENOUGH * LITE0.preprocessing.resize
    whole = [pixels(decode(data, "a picture", LIMIT).pixels) for data in files]
    reduced = [pixels(decode(data, "a picture", LIMIT, enough).pixels) for data in files]
    assert not np.array_equal(whole, reduced)
    found = cosines(runtime.embed(np.stack(reduced)), runtime.embed(np.stack(whole)))
    print(f"cosine of reduced to whole: mean {found.mean():.5f}, least {found.min():.5f}")
    assert found.min() >= 0.999


@pytest.mark.slow
def test_drawn_images_reduced_have_the_embedding_of_the_whole(
    drawn: Path, exported: ExportedModel, cosines: Cosines
) -> None:
    assert_embedded_alike(sorted(drawn.rglob("*.jpg"))[::6], exported, cosines)


@pytest.mark.slow
def test_photographs_reduced_have_the_embedding_of_the_whole(
    real_images: Path, exported: ExportedModel, cosines: Cosines
) -> None:
    paths = sorted((real_images / "imagenet300").rglob("*.jpg"))[::30]
    assert_embedded_alike(paths, exported, cosines)
