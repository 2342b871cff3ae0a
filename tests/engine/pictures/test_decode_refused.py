"""Pictures that cannot be used: each is refused with a reason and a remedy, and nothing else."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.errors import ImageError
from engine.pictures.decode import DecodedImage, decode
from engine.pictures.read import content_hash, read_file

LIMIT = 10**8
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
AsNobody = Callable[[], AbstractContextManager[None]]


def encode(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
VALID = {kind: encode(Image.fromarray(NOISE[:20, :30]), kind) for kind in FORMATS}


def refusal(data: bytes, max_pixels: int = LIMIT) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode(data, "a picture", max_pixels)
    assert caught.value.thing == "a picture"
    return caught.value


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_file_that_was_cut_off_is_refused(kind: str, share: float) -> None:
    data = encode(Image.fromarray(NOISE), kind)
    error = refusal(data[: int(len(data) * share)])
    assert error.reason.startswith(("the picture is damaged", "this is no picture"))
    assert error.remedy


def test_a_reason_names_no_object_of_python() -> None:
    assert refusal(b"BM no picture").reason == (
        "the picture is damaged (it ends or changes within its header)"
    )


@pytest.mark.parametrize(
    ("data", "guess"),
    [
        (b"just some words\n", "text"),
        (b"  <!DOCTYPE html><title>404</title>", "web page"),
        (b"<html></html>", "web page"),
        (b"<?xml version='1.0'?><note/>", "XML"),
        (b"\0\0\0\x18ftypisom", "video"),
        (b"\x00\x01\x02\x03", "no known kind"),
    ],
)
def test_what_is_no_image_is_named_for_what_it_looks_like(data: bytes, guess: str) -> None:
    error = refusal(data)
    assert guess in error.reason
    assert "JPEG or PNG" in error.remedy


def bomb(side: int) -> bytes:
    """A PNG of black bits, packed a thousand to one."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize("side", [12_000, 30_000])
def test_a_decompression_bomb_is_refused(side: int) -> None:
    error = refusal(bomb(side))
    assert "the limit of 100 Mpx" in error.reason
    assert "--max-megapixels" in error.remedy


def test_the_limit_on_pixels_is_an_option() -> None:
    data = encode(Image.new("RGB", (100, 100)), "PNG")
    assert decode(data, "x", 10_000).width == 100
    assert "100 x 100 pixels" in refusal(data, 9_999).reason


def assert_image_or_refusal(data: bytes) -> None:
    try:
        image = decode(data, "x", 10**6)
    except ImageError as error:
        assert error.reason and error.remedy
    else:
        assert isinstance(image, DecodedImage)
        assert image.pixels.mode == "RGB"


@settings(deadline=None, max_examples=100)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"])
)
def test_random_bytes_give_an_image_or_a_refusal(data: bytes, magic: bytes) -> None:
    assert_image_or_refusal(magic + data)


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted(VALID)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.floats(0, 1),
)
def test_a_changed_file_gives_an_image_or_a_refusal(
    kind: str, changes: list[tuple[float, int]], share: float
) -> None:
    data = bytearray(VALID[kind])
    for place, value in changes:
        data[int(place * len(data))] = value
    assert_image_or_refusal(bytes(data[: max(1, round(len(data) * share))]))


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    assert read_file(str(tmp_path / "a.jpg")) == b"abc"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ImageError, match=r"empty \(0 bytes\)"):
        read_file(str(tmp_path / "a.jpg"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_file(str(tmp_path / "a.jpg"))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not an ordinary file"):
        read_file(str(tmp_path))


def test_a_file_that_may_not_be_read_is_refused(open_folder: Path, as_nobody: AsNobody) -> None:
    path = open_folder / "a.jpg"
    path.write_bytes(b"abc")
    path.chmod(0)
    with as_nobody(), pytest.raises(ImageError, match="permission denied") as caught:
        read_file(str(path))
    assert "chmod u+r" in caught.value.remedy


def test_the_content_hash_is_sha_256() -> None:
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content_hash(b"abc") == known
