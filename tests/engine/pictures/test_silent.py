"""Decoders say nothing to the terminal by themselves, however broken a file is."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.pictures.decode import decode
from tests.support import REPOSITORY
from tests.support.formats import by_pillow

SCRIPT = """
import sys
from pathlib import Path
from engine.errors import ImageError
from engine.pictures.decode import decode
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        decode(path.read_bytes(), path.name, 10**6)
    except ImageError:
        print("skipped")
"""


def _tiff(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.float32)).save(buffer, "TIFF")
    return buffer.getvalue()


def test_libtiff_says_nothing_of_broken_files(tmp_path: Path) -> None:
    image = Image.radial_gradient("L").resize((40, 32))
    rng, count = random.Random(0), 0
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4"):
        mode = "1" if compression == "group4" else "RGB"
        data = by_pillow("TIFF", compression=compression)(image.convert(mode))
        for _ in range(30):
            broken = bytearray(data)
            for _ in range(8):
                broken[rng.randrange(8, len(broken))] = rng.randrange(256)
            (tmp_path / f"{count}.tif").write_bytes(broken)
            count += 1
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.count(b"skipped") > 30
    assert done.stderr == b""


EDGES = [np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0, 1.0, 0.5]


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("other", EDGES)
def test_no_number_of_a_float_picture_is_warned_of(edge: float, other: float) -> None:
    values = np.full((8, 8), edge)
    values[4:] = other
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = np.asarray(decode(_tiff(values), "a.tif", 10**6).pixels)
    assert pixels.shape == (8, 8, 3)


def test_infinity_and_nan_leave_the_other_pixels_as_they_are() -> None:
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    plain = np.asarray(decode(_tiff(ramp), "a.tif", 10**6).pixels)
    ramp[0, 0], ramp[7, 7], ramp[3, 3] = np.nan, np.inf, -np.inf
    odd = np.asarray(decode(_tiff(ramp), "a.tif", 10**6).pixels)
    same = np.isfinite(ramp)
    np.testing.assert_array_equal(odd[same], plain[same])
    assert (odd[7, 7] == 255).all() and (odd[3, 3] == 0).all()
