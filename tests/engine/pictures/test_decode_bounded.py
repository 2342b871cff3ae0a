"""Files that would take for ever: refused by name, or only their first picture is unpacked."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from engine.errors import ImageError
from engine.pictures.decode import decode
from engine.pictures.jpeg.parts import JpegLimits, excess

LIMIT = 10**8
SIDE = 64
NOISE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
FEW = JpegLimits(scans=5, parts=20, exif=3, filler=100)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


PLAIN = {kind: encode(Image.fromarray(NOISE), kind) for kind in ("JPEG", "PNG", "GIF", "TIFF")}


def progressive(more_scans: int) -> bytes:
    """Return a progressive JPEG file of grey whose last scan is there so many times more."""
    data = encode(Image.fromarray(NOISE).convert("L"), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + more_scans * last + b"\xff\xd9"


def scans(data: bytes) -> int:
    return data.count(b"\xff\xda")


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def before_the_picture(parts: bytes) -> bytes:
    return PLAIN["JPEG"][:2] + parts + PLAIN["JPEG"][2:]


def test_a_jpeg_of_very_many_scans_is_refused_with_a_remedy() -> None:
    usual = scans(progressive(0))
    most = JpegLimits().scans
    assert decode(progressive(most - usual), "a picture", LIMIT).width == SIDE
    with pytest.raises(ImageError) as caught:
        decode(progressive(most - usual + 1), "a picture", LIMIT)
    assert caught.value.thing == "a picture"
    assert caught.value.reason.startswith("it has more than 200 scans")
    assert "save it anew" in caught.value.remedy


def test_what_encoders_write_is_far_below_the_limit() -> None:
    image = Image.fromarray(NOISE)
    for options in ({}, {"progressive": True}, {"progressive": True, "subsampling": 0}):
        data = encode(image, "JPEG", quality=100, **options)
        assert scans(data) <= 20
        assert excess(data) == ""


def test_scans_of_a_picture_without_progression_count_as_well() -> None:
    data = PLAIN["JPEG"]
    scan = data[data.index(b"\xff\xda") : -2]
    assert excess(data[:-2] + 4 * scan + b"\xff\xd9", FEW) == ""
    assert "more than 5 scans" in excess(data[:-2] + 5 * scan + b"\xff\xd9", FEW)


def test_scans_of_thumbnails_and_of_further_pictures_do_not_count() -> None:
    other = progressive(20)
    assert excess(before_the_picture(segment(0xE1, other)), FEW) == ""
    assert excess(PLAIN["JPEG"] + other, FEW) == ""
    # What looks like a scan in a table between two scans is none.
    data = progressive(0)
    last = data.rindex(b"\xff\xda")
    comment = segment(0xFE, b"\xff\xda" * 20)
    assert excess(data[:last] + comment + data[last:], JpegLimits(scans=scans(data))) == ""


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (segment(0xFE, b"") * 21, "more than 20 parts before its picture"),
        (b"\xff\xd0" * 21, "more than 20 parts before its picture"),
        (segment(0xE1, b"Exif\0\0" + bytes(8)) * 4, "more than 3 parts of EXIF"),
        (b"\xff" * 102, "more than 100 bytes of nothing"),
        (bytes(102), "more than 100 bytes of nothing"),
    ],
    ids=["comments", "markers alone", "EXIF", "padding", "zeros"],
)
def test_much_before_the_picture_is_refused(parts: bytes, said: str) -> None:
    assert said in excess(before_the_picture(parts), FEW)
    assert excess(before_the_picture(parts)) == ""


def test_very_many_parts_between_scans_are_refused() -> None:
    data = progressive(2)
    last = data.rindex(b"\xff\xda")
    hidden = data[:last] + 21 * segment(0xFE, b"\xff\xda") + data[last:]
    assert "more than 20 parts between" in excess(hidden, JpegLimits(scans=10, parts=20))


def test_the_limits_hold_for_every_file_that_is_decoded() -> None:
    limits = JpegLimits()
    for parts in (
        segment(0xFE, b"") * (limits.parts + 1),
        segment(0xE1, b"Exif\0\0" + bytes(8)) * (limits.exif + 1),
        b"\xff" * (limits.filler + 2),
    ):
        with pytest.raises(ImageError, match="it has more than"):
            decode(before_the_picture(parts), "a picture", LIMIT)


@pytest.mark.parametrize("end", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_has_no_excess(end: float) -> None:
    for data in (PLAIN["JPEG"], progressive(0)):
        assert excess(data[: int(end * len(data))], FEW) in ("", excess(data, FEW))


def animated(kind: str) -> bytes:
    """Return a file of two frames, the second of which is cut off and filled up with zeros."""
    first, second = Image.fromarray(NOISE), Image.fromarray(NOISE[::-1].copy())
    data = bytearray(encode(first, kind, save_all=True, append_images=[second]))
    marks = {"GIF": b"\x2c", "PNG": b"fdAT", "MPO": b"\xff\xd8"}
    at = data.rindex(marks[kind]) + 12 * (kind != "MPO")
    data[at:-1] = bytes(len(data) - 1 - at)
    return bytes(data)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "MPO"])
def test_of_several_frames_only_the_first_is_unpacked(kind: str) -> None:
    data = animated(kind)
    with (
        Image.open(io.BytesIO(data)) as opened,
        pytest.raises((OSError, SyntaxError, ValueError)),
    ):
        opened.seek(1)
        opened.load()
    assert decode(data, "a picture", LIMIT).width == SIDE


def test_of_many_pages_only_the_first_is_looked_at() -> None:
    """The directory of the second page says that it is followed by itself."""
    pages = [Image.fromarray(NOISE)] * 2
    data = bytearray(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    order = "<" if data[:2] == b"II" else ">"

    def link(at: int) -> int:
        (count,) = struct.unpack_from(f"{order}H", data, at)
        return int(at + 2 + 12 * count)

    (first,) = struct.unpack_from(f"{order}I", data, 4)
    (second,) = struct.unpack_from(f"{order}I", data, link(first))
    struct.pack_into(f"{order}I", data, link(second), second)
    assert decode(bytes(data), "a picture", LIMIT).width == SIDE


def test_values_of_a_tiff_that_lie_on_each_other_take_no_more_than_the_file() -> None:
    data, size = bytearray(PLAIN["TIFF"]), 1_000_000
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    entries = [bytes(data[at : at + 12]) for at in range(start + 2, start + 2 + 12 * count, 12)]
    entries += [struct.pack(f"{order}HHII", 40_000 + tag, 7, size, 8) for tag in range(300)]
    whole = data + bytes(size)
    struct.pack_into(f"{order}I", whole, 4, len(whole))
    whole += struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    tracemalloc.start()
    with pytest.warns(UserWarning, match="Tag data larger than file"):
        decode(bytes(whole), "a picture", LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(whole)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_text_that_unpacks_to_very_much_is_refused(kind: bytes) -> None:
    head = b"a\0\1\0\0\0" if kind == b"iTXt" else b"a\0\0"
    content = head + zlib.compress(bytes(50_000_000), 9)
    chunk = struct.pack(">I", len(content)) + kind + content
    chunk += struct.pack(">I", zlib.crc32(kind + content))
    data = PLAIN["PNG"][:33] + chunk + PLAIN["PNG"][33:]
    tracemalloc.start()
    with pytest.raises(ImageError, match="the picture is damaged"):
        decode(data, "a picture", LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
