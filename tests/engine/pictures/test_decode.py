"""Decoding one picture: every kind of file comes out as upright 8-bit RGB, or says why not."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.pictures.decode import decode

LIMIT = 10**8
RED, WHITE = (255, 0, 0), (255, 255, 255)
LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Any:
    return np.asarray(decode(data, "a picture", LIMIT).pixels)


def sample(width: int = 24, height: int = 16) -> Any:
    """Four quarters of different colours, uint8 `[height, width, 3]`."""
    pixels = np.full((height, width, 3), 40, np.uint8)
    pixels[: height // 2, : width // 2] = (200, 60, 60)
    pixels[height // 2 :, : width // 2] = (60, 200, 60)
    pixels[: height // 2, width // 2 :] = (60, 60, 200)
    return pixels


def turned(upright: Any, orientation: int) -> Any:
    """What a camera stores, after the EXIF specification's table of orientations."""
    lying = upright.swapaxes(0, 1)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: lying,
        6: lying[::-1],
        7: lying[::-1, ::-1],
        8: lying[:, ::-1],
    }[orientation]
    return np.ascontiguousarray(stored)


def exif_block(*entries: tuple[int, int, int, bytes]) -> bytes:
    """An EXIF block of raw entries: tag, type, count, four bytes."""
    body = b"".join(struct.pack("<HHI4s", *entry) for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + bytes(4)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG"])
def test_every_format_is_read(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    image = decode(encode(Image.fromarray(sample()), kind, **options), "x", LIMIT)
    assert (image.format, image.width, image.height) == (kind, 24, 16)
    assert image.pixels.mode == "RGB"
    difference = np.abs(np.asarray(image.pixels).astype(int) - sample().astype(int))
    assert np.median(difference) <= (2 if kind == "JPEG" else 0)


def test_a_camera_s_file_of_several_jpegs_is_a_jpeg() -> None:
    images = [Image.new("RGB", (16, 16), colour) for colour in (RED, WHITE)]
    data = encode(images[0], "MPO", save_all=True, append_images=images[1:])
    assert decode(data, "x", LIMIT).format == "JPEG"
    assert decoded(data)[0, 0, 1] < 10


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_counts(kind: str) -> None:
    images = [Image.new("RGB", (16, 16), colour) for colour in (RED, WHITE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(images[0], kind, save_all=True, append_images=images[1:], **options)
    assert decoded(data)[8, 8].tolist() == list(RED)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", LOSSLESS)
def test_an_image_on_its_side_is_turned_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    stored = Image.fromarray(turned(sample(), orientation))
    data = encode(stored, kind, exif=exif.tobytes(), **LOSSLESS[kind])
    assert np.array_equal(decoded(data), sample())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_on_its_side_is_turned_upright(orientation: int) -> None:
    exif = exif_block((0x112, 3, 1, bytes([orientation, 0, 0, 0])))
    stored = Image.fromarray(turned(sample(32, 16), orientation))
    pixels = decoded(encode(stored, "JPEG", quality=95, subsampling=0, exif=exif)).astype(int)
    assert pixels.shape == (16, 32, 3)
    assert np.abs(pixels - sample(32, 16)).max() <= 4


def test_width_and_height_are_those_of_the_upright_image() -> None:
    exif = exif_block((0x112, 3, 1, b"\6\0\0\0"))
    image = decode(encode(Image.new("RGB", (20, 10)), "JPEG", exif=exif), "x", LIMIT)
    assert (image.width, image.height) == image.pixels.size == (10, 20)


def test_another_broken_tag_does_not_leave_an_image_on_its_side() -> None:
    upside = (0x112, 3, 1, b"\6\0\0\0")
    unwritable = (0x11A, 9, 1, b"\xff\xff\xff\xff")
    data = encode(Image.new("RGB", (20, 10)), "JPEG", exif=exif_block(upside, unwritable))
    assert decode(data, "x", LIMIT).pixels.size == (10, 20)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0garbage",
        b"Exif\0\0",
        exif_block((0x112, 2, 1, b"6\0\0\0")),
        exif_block((0x112, 3, 1, b"\x63\0\0\0")),
        exif_block((0x10F, 2, 9999, b"\xff\xff\xff\x7f")),
        exif_block((0x8769, 4, 1, b"\xff\xff\xff\x7f")),
    ],
)
def test_a_broken_exif_block_does_not_stop_an_image(exif: bytes) -> None:
    data = encode(Image.new("RGB", (20, 10), RED), "JPEG", exif=exif)
    assert decode(data, "x", LIMIT).pixels.size == (20, 10)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    assert decoded(encode(image.convert(mode), "PNG"))[0].tolist() == [[255] * 3, [0] * 3]


def test_half_transparency_is_halfway_to_white() -> None:
    pixel = decoded(encode(Image.new("RGBA", (1, 1), (255, 0, 0, 128)), "PNG"))[0, 0]
    assert np.abs(pixel.astype(int) - [255, 127, 127]).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_laid_on_white(kind: str) -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([0, 0, 0, 255, 0, 0] + [0, 0, 255] * 254)
    image.putpixel((1, 0), 1)
    pixels = decoded(encode(image, kind, transparency=0))
    assert pixels[0].tolist() == [list(WHITE), list(RED)]


def test_a_transparent_colour_of_an_image_without_palette_is_laid_on_white() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), RED)
    pixels = decoded(encode(image, "PNG", transparency=(1, 2, 3)))
    assert pixels[0].tolist() == [list(WHITE), list(RED)]


def test_a_jpeg_for_print_becomes_rgb() -> None:
    pixels = decoded(encode(Image.fromarray(sample()).convert("CMYK"), "JPEG", quality=95))
    assert np.median(np.abs(pixels.astype(int) - sample().astype(int))) <= 3


def test_16_bit_greys_are_scaled_and_not_clipped() -> None:
    greys = np.arange(256, dtype=np.uint16).reshape(16, 16)
    pixels = decoded(encode(Image.fromarray(greys * 257), "PNG"))
    assert np.array_equal(pixels, np.repeat(greys[..., None], 3, axis=2))


def test_a_dark_16_bit_image_stays_dark() -> None:
    pixels = decoded(encode(Image.fromarray(np.full((4, 4), 257 * 3, np.uint16)), "TIFF"))
    assert np.unique(pixels).tolist() == [3]


def test_one_bit_is_black_and_white() -> None:
    image = Image.new("1", (2, 1), 0)
    image.putpixel((1, 0), 1)
    assert decoded(encode(image, "PNG"))[0].tolist() == [[0] * 3, [255] * 3]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([-2.0, 0.0, 2.0], [0, 128, 255]), ([7.0] * 3, [0] * 3)],
)
def test_floats_fill_the_eight_bits(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.float32))
    assert decoded(encode(image, "TIFF"))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "MPO"])
def test_what_was_decoded_holds_nothing_of_its_file(kind: str) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    more = {"save_all": True, "append_images": frames[1:]} if kind == "MPO" else {}
    pixels = decode(encode(frames[0], kind, **more), "a picture", LIMIT).pixels
    assert getattr(pixels, "fp", None) is None and getattr(pixels, "_fp", None) is None
    red, green, blue = pixels.getpixel((3, 3))
    assert red > 200 and green < 50 and blue < 50
