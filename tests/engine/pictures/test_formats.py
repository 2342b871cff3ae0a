"""What a picture file is, is told by its content; what cannot be read here is named."""

from __future__ import annotations

import io
import sys
import zlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.errors import FormatError, ImageError
from engine.pictures.decode import decode
from engine.pictures.formats import FORMATS, identify
from engine.pictures.readers import jxl_size
from tests.support.formats import WRITERS, heic, jxl

LIMIT = 10**8
SIDE = 256
# Bytes that such a file begins with.
UNREADABLE = {
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "PSB": b"8BPS\0\2" + bytes(20),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(18),
    "EMF": b"\1\0\0\0" + bytes(36) + b" EMF",
    "EXR": b"\x76\x2f\x31\x01\2\0\0\0",
    "HDR": b"#?RADIANCE\n",
    "XCF": b"gimp xcf v011\0",
    "JPEG XR": b"II\xbc\x01" + bytes(20),
    "BPG": b"BPG\xfb\0",
    "FLIF": b"FLIF41",
    "DjVu": b"AT&TFORM\0\0\0\0DJVU",
}


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Soft colours and edges, as photographs have."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = np.stack([np.sin(5 * x + y), np.cos(3 * y - x), np.sin(4 * x * y)], axis=-1)
    pixels = (127 + 90 * waves).astype(np.uint8)
    pixels[60:140, 80:200] = (190, 60, 40)
    return Image.fromarray(pixels)


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).mean())


@pytest.mark.parametrize("kind", [each for each in WRITERS if each not in ("DNG", "ICNS")])
def test_a_kind_that_can_be_written_is_read(kind: str, photo: Image.Image) -> None:
    extension, write = WRITERS[kind]
    grey = photo.convert("L").convert("RGB")
    image = decode(write(photo), f"picture.{extension}", LIMIT)
    assert (image.width, image.height, image.pixels.mode) == (SIDE, SIDE, "RGB")
    assert difference(image.pixels, grey if "grey" in kind else photo) < 4
    assert not image.note


def test_a_camera_s_raw_file_is_read(photo: Image.Image) -> None:
    image = decode(WRITERS["DNG"][1](photo), "picture.dng", LIMIT)
    assert image.format == "DNG"
    small = np.asarray(image.pixels.resize((32, 32))).ravel().astype(float)
    shown = np.asarray(photo.resize((32, 32))).ravel().astype(float)
    assert np.corrcoef(small, shown)[0, 1] > 0.95


@pytest.mark.parametrize("kind", ["PNG", "HEIC", "JXL", "AVIF", "JPEG2000", "PSD", "QOI", "DNG"])
@pytest.mark.parametrize("name", ["picture.jpg", "picture.tga", "picture", "<stdin>"])
def test_the_name_does_not_matter_where_the_content_is_marked(
    kind: str, name: str, photo: Image.Image
) -> None:
    assert decode(WRITERS[kind][1](photo), name, LIMIT).format == kind


def test_no_extension_belongs_to_two_kinds() -> None:
    counts = Counter(extension for each in FORMATS for extension in each.extensions)
    assert [extension for extension, count in counts.items() if count > 1] == []
    assert all(extension == extension.lower() for extension in counts)


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_kind_that_nothing_can_read_is_named_with_what_to_do(kind: str) -> None:
    with pytest.raises(FormatError) as caught:
        decode(UNREADABLE[kind] + bytes(600), "picture.bin", LIMIT)
    assert caught.value.format == kind
    assert kind in caught.value.reason
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "module", "command"),
    [
        ("HEIC", "pi_heif", "pip install pi-heif-decoder"),
        ("JXL", "pillow_jxl.JpegXLImagePlugin", "pip install 'image-engine[jxl]'"),
        ("DNG", "rawpy", "pip install 'image-engine[raw]'"),
    ],
)
def test_a_kind_whose_reader_is_not_installed_says_how_to_install_it(
    kind: str, module: str, command: str, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = WRITERS[kind][1](photo)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(FormatError, match="this installation cannot read") as caught:
        decode(data, "picture.bin", LIMIT)
    assert command in caught.value.remedy
    monkeypatch.undo()
    assert decode(data, "picture.bin", LIMIT).format == kind


@pytest.mark.parametrize("extension", ["nef", "arw", "cr2", "pef"])
def test_a_thumbnail_in_a_camera_s_file_is_not_taken_for_the_picture(
    extension: str, photo: Image.Image
) -> None:
    thumbnail = WRITERS["TIFF"][1](photo.resize((16, 16)))
    found = identify(thumbnail, f"IMG_1.{extension}")
    assert found is not None
    assert found.name == extension.upper()


@pytest.mark.parametrize(("brand", "kind"), [(b"mif1", "AVIF"), (b"avif", "AVIF")])
def test_an_avif_file_that_says_first_that_it_is_heif_is_avif(brand: bytes, kind: str) -> None:
    data = b"\0\0\0\x1cftyp" + brand + b"\0\0\0\0mif1avifmiaf" + bytes(100)
    found = identify(data, "picture")
    assert found is not None
    assert found.name == kind


def test_a_video_is_no_picture() -> None:
    with pytest.raises(ImageError, match="looks like a video"):
        decode(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(600), "clip.heic", LIMIT)


@pytest.mark.slow
@settings(max_examples=40)
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_the_size_of_a_jxl_file_is_known_before_it_is_unpacked(width: int, height: int) -> None:
    assert jxl_size(jxl(Image.new("RGB", (width, height)))) == (width, height)


def box(kind: bytes, content: bytes, *, long: bool = False) -> bytes:
    size = len(content) + (16 if long else 8)
    head = (1).to_bytes(4, "big") + kind + size.to_bytes(8, "big")
    return (head if long else size.to_bytes(4, "big") + kind) + content


@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("kind", [b"jxlc", b"jxlp"])
def test_the_size_of_a_jxl_file_is_found_behind_other_boxes(kind: bytes, long: bool) -> None:
    stream = jxl(Image.new("RGB", (321, 123)))
    assert stream.startswith(b"\xff\x0a")
    part = bytes(4) if kind == b"jxlp" else b""
    data = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    data += box(b"Exif", b"\xff\x0a\xff\xff" * 2000, long=long) + box(kind, part + stream)
    assert jxl_size(data) == (321, 123)


@pytest.mark.parametrize("end", [b"", b"\0\0\0\0jxlc", b"\0\0\0\3Exif", bytes(100)])
def test_a_jxl_file_without_a_size_is_damaged_and_not_unpacked(end: bytes) -> None:
    with pytest.raises(ImageError, match="damaged"):
        decode(box(b"JXL ", b"\r\n\x87\n") + end, "picture", LIMIT)


@pytest.mark.parametrize("kind", ["HEIC", "JXL", "AVIF", "JPEG2000", "PSD", "PNG", "DNG"])
def test_too_many_pixels_are_refused_before_they_are_unpacked(
    kind: str, photo: Image.Image
) -> None:
    reserved: list[int] = []
    with pytest.raises(ImageError, match="more than the limit"):
        decode(WRITERS[kind][1](photo), "picture", SIDE * SIDE - 1, reserve=reserved.append)
    assert not reserved


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_phone_s_picture_is_turned_once(orientation: int) -> None:
    stored = Image.new("RGB", (64, 32))
    stored.paste((255, 0, 0), (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x112] = orientation
    jpeg = io.BytesIO()
    stored.save(jpeg, "JPEG", exif=exif.tobytes(), quality=95, subsampling=0)
    expected = decode(jpeg.getvalue(), "x", LIMIT).pixels
    turned = decode(heic(stored, exif=exif.tobytes()), "x", LIMIT).pixels
    assert turned.size == expected.size
    assert difference(turned, expected) < 8


@pytest.mark.parametrize("orientation", [3, 6])
def test_the_exif_chunk_of_a_png_is_honoured_wherever_it_stands(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20)).save(buffer, "PNG")
    data = buffer.getvalue()
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = len(body).to_bytes(4, "big") + b"eXIf" + body
    chunk += zlib.crc32(b"eXIf" + body).to_bytes(4, "big")
    data = data[:-12] + chunk + data[-12:]
    assert decode(data, "x", LIMIT).pixels.size == ((40, 20) if orientation == 3 else (20, 40))


def bytes_of(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
