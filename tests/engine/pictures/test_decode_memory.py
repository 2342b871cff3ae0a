"""What decoding says it needs is what it takes at most, and running out of memory is one skip."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image

from engine.errors import ImageError
from engine.pictures.decode import decode
from engine.pictures.read import read_file, read_stream
from tests.support import REPOSITORY

SIDE = 1600
# Decodes files and prints, for each, the bytes that were reserved and the peak that was measured.
CHILD = """
import json, sys
from engine.pictures.decode import decode
def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
answers = {}
for path in sys.argv[1:]:
    data = open(path, "rb").read()
    for enough in (None, 200):
        # Twice: what Pillow loads for a format with its first image is no part of the second.
        decode(data, path, 10**9, enough)
        needed = []
        open("/proc/self/clear_refs", "w").write("5")
        before = status("VmRSS")
        decode(data, path, 10**9, enough, needed.append)
        answers[f"{path} {enough}"] = needed, status("VmHWM") - before
print(json.dumps(answers))
"""


def rotated() -> bytes:
    """An EXIF block of a picture that lies on its side."""
    exif = Image.Exif()
    exif[0x112] = 6
    return exif.tobytes()


def images(folder: Path) -> dict[str, Path]:
    """Write large images of every kind that is decoded in its own way."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE // 8, SIDE // 8, 3), np.uint8)
    rgb = Image.fromarray(noise).resize((SIDE, SIDE))
    grey = np.asarray(rgb.convert("L"))
    wide, real = (
        Image.fromarray(grey.astype(np.uint16) * 257),
        Image.fromarray(grey / np.float32(9)),
    )
    made: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "jpeg": (rgb, "JPEG", {}),
        "progressive": (rgb, "JPEG", {"progressive": True, "subsampling": 0}),
        "rotated jpeg": (rgb, "JPEG", {"exif": rotated()}),
        "cmyk": (rgb.convert("CMYK"), "JPEG", {}),
        "png": (rgb, "PNG", {"compress_level": 1}),
        "grey": (rgb.convert("L"), "PNG", {"compress_level": 1}),
        "bits": (rgb.convert("1"), "PNG", {}),
        "palette": (rgb.convert("P"), "PNG", {"compress_level": 1}),
        "alpha": (rgb.convert("RGBA"), "PNG", {"compress_level": 1, "exif": rotated()}),
        "grey alpha": (rgb.convert("LA"), "PNG", {"compress_level": 1}),
        "one transparent": (rgb, "PNG", {"compress_level": 1, "transparency": (1, 2, 3)}),
        "16 bits": (wide, "PNG", {"compress_level": 1}),
        "floats": (real, "TIFF", {}),
        "tiff": (rgb, "TIFF", {"compression": "tiff_lzw"}),
        "webp": (rgb.convert("RGBA"), "WEBP", {"quality": 50, "method": 0, "exif": rotated()}),
        "gif": (rgb.convert("P"), "GIF", {}),
        "bmp": (rgb, "BMP", {}),
    }
    for name, (image, kind, options) in made.items():
        image.save(folder / name, kind, **options)
    return {name: folder / name for name in made}


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peaks are told by Linux")
def test_decoding_takes_no_more_than_it_reserves(tmp_path: Path) -> None:
    files = images(tmp_path)
    # Freed memory goes back to the system at once, so that it is seen to be needed again.
    at_once = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    environment = os.environ | at_once | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", CHILD, *map(str, files.values())]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    slack = 1_500_000  # pages of the interpreter and of libraries, beside some 20 MB an image
    for key, (needed, peak) in json.loads(done.stdout).items():
        (reserved,) = needed
        print(f"{key}: reserved {reserved / 1e6:.1f} MB, took {peak / 1e6:.1f} MB")
        assert peak <= reserved + slack, key
        if key.endswith("None"):
            assert reserved <= 3 * peak + slack, f"{key} reserves far more than it takes"


def test_a_reduced_jpeg_reserves_only_what_is_left_of_it() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(buffer, "JPEG")
    needed: list[int] = []
    for enough in (None, 1000, 500):
        decode(buffer.getvalue(), "a picture", 10**8, enough, needed.append)
    assert needed[0] == 16 * needed[1] == 64 * needed[2]


def test_what_is_refused_reserves_nothing() -> None:
    buffer, needed = io.BytesIO(), list[int]()
    Image.new("RGB", (100, 100)).save(buffer, "PNG")
    with pytest.raises(ImageError, match="more than the limit"):
        decode(buffer.getvalue(), "a picture", 9_999, reserve=needed.append)
    assert needed == []


def no_room(size: int) -> NoReturn:
    """There is no memory for so much."""
    raise MemoryError


def test_an_image_that_finds_no_memory_is_refused_and_not_called_damaged() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (100, 100)).save(buffer, "PNG")
    with pytest.raises(ImageError) as caught:
        decode(buffer.getvalue(), "a picture", 10**6, reserve=no_room)
    assert caught.value.reason == "there is not enough memory to open it"
    assert caught.value.remedy


def test_a_file_that_finds_no_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    with pytest.raises(ImageError, match="not enough memory"):
        read_file(str(tmp_path / "a.jpg"), reserve=no_room)


@pytest.mark.parametrize(("size", "fits"), [(99, True), (100, True), (101, False), (10**12, False)])
def test_a_file_larger_than_the_limit_is_refused_before_it_is_read(
    tmp_path: Path, size: int, fits: bool
) -> None:
    path, reserved = tmp_path / "a.jpg", list[int]()
    with path.open("wb") as file:
        file.truncate(size)
    if fits:
        assert read_file(str(path), 100, reserved.append) == bytes(size)
        assert reserved == [size]
        return
    with pytest.raises(ImageError, match="more than the limit of 100B") as caught:
        read_file(str(path), 100, reserved.append)
    assert "--max-file-size" in caught.value.remedy
    assert reserved == []


@pytest.mark.parametrize(
    ("limit", "told"), [(1, "1B"), (1536, "1.5K"), (10**6, "976.6K"), (1 << 30, "1G")]
)
def test_a_limit_is_told_as_the_option_takes_it(tmp_path: Path, limit: int, told: str) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(200 << 30)
    with pytest.raises(ImageError, match=f"it has 200G, more than the limit of {told}"):
        read_file(str(tmp_path / "a.jpg"), limit)


class Growing(io.BytesIO):
    """A stream that has more bytes than was expected, and counts those that were read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        """Count."""
        data = super().read(size)
        self.taken += len(data)
        return data


@pytest.mark.parametrize("expected", [0, 1, 50, 99, 100, 500])
@pytest.mark.parametrize("size", [0, 1, 50, 99, 100])
def test_a_stream_is_read_to_its_end_whatever_was_expected(size: int, expected: int) -> None:
    data = os.urandom(size)
    assert read_stream(Growing(data), "<stdin>", 100, expected) == data


@pytest.mark.parametrize("expected", [0, 1, 99, 100])
@pytest.mark.parametrize("size", [101, 102, 5_000_000])
def test_a_stream_with_more_than_the_limit_is_given_up(size: int, expected: int) -> None:
    stream = Growing(bytes(size))
    with pytest.raises(ImageError, match="more bytes than the limit of 100B") as caught:
        read_stream(stream, "<stdin>", 100, expected)
    assert caught.value.thing == "<stdin>"
    assert stream.taken <= 2 << 20
