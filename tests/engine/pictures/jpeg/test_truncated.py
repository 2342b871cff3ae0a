"""A JPEG that lost its last bytes is a picture; one that lost half of itself is damaged."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import ImageError
from engine.pictures.decode import decode
from engine.pictures.jpeg.truncated import BLOCKS
from tests.support import REPOSITORY

LIMIT = 10**8


def photo(seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("enough", [None, 100])
@pytest.mark.parametrize("missing", [1, 2, 3, 10, 40])
def test_a_few_bytes_that_are_missing_are_no_damage(missing: int, enough: int | None) -> None:
    data = jpeg(photo())
    whole, cut = (decode(each, "x", LIMIT, enough) for each in (data, data[:-missing]))
    assert (cut.width, cut.height) == (640, 480)
    one, other = (np.asarray(each.pixels).astype(int) for each in (whole, cut))
    rows = len(one) * (480 - BLOCKS) // 480
    assert np.array_equal(one[:rows], other[:rows])


# Prints the kilobytes that it takes to tell what is missing. In a process of its own: another one's
# peak lies behind it, or is that of its other threads.
PEAK = """
import sys
from engine.pictures.jpeg.truncated import mended
def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))
data = open(sys.argv[1], "rb").read()
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
assert mended(data) is not None
print(status("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peaks are told by Linux")
def test_telling_what_is_missing_takes_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "cut.jpg"
    file.write_bytes(jpeg(photo().resize((4096, 3072)))[:-3])
    command = [sys.executable, "-c", PEAK, str(file)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    # The picture alone has 38 MB.
    assert int(done.stdout) < 20_000


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
def test_a_jpeg_that_lost_more_is_damaged(share: float) -> None:
    data = jpeg(photo())
    with pytest.raises(ImageError, match="damaged"):
        decode(data[: int(len(data) * share)], "x", LIMIT)


def test_white_ground_at_the_bottom_is_not_taken_for_what_is_missing() -> None:
    image = photo()
    image.paste((255, 255, 255), (0, 300, 640, 480))
    assert decode(jpeg(image)[:-4], "x", LIMIT).height == 480


def test_white_ground_at_the_bottom_does_not_hide_what_is_missing() -> None:
    image = photo()
    image.paste((255, 255, 255), (0, 300, 640, 480))
    data = jpeg(image)
    with pytest.raises(ImageError, match="damaged"):
        decode(data[: int(len(data) * 0.8)], "x", LIMIT)


def test_of_a_progressive_jpeg_the_last_refinements_may_be_missing() -> None:
    image = photo()
    data = jpeg(image, progressive=True)
    cut = np.asarray(decode(data[: int(len(data) * 0.97)], "x", LIMIT).pixels).astype(int)
    assert np.abs(cut - np.asarray(image).astype(int)).mean() < 4


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_progressive_jpeg_that_lost_more_is_damaged(share: float) -> None:
    data = jpeg(photo(), progressive=True)
    with pytest.raises(ImageError, match="damaged"):
        decode(data[: int(len(data) * share)], "x", LIMIT)
