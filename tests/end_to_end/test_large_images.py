"""Images too large for a limit or for the memory there is are skipped, and no others are."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine import Config
from engine.embedding.int8_calibration import calibration_images
from engine.testing import FakeEmbedder

pytest.importorskip("resource", reason="this system does not limit the memory of a process")

Run = Callable[..., subprocess.CompletedProcess[bytes]]
TOO_LARGE = "it has 200G, more than the limit of 1G"
OPTION = "raise the limit with --max-file-size"


def limited(gibibytes: float, **settings: int) -> str:
    """Return Python that limits the memory of a process, and gives the engine some settings."""
    return f"""
import resource
limit = int({gibibytes} * 2**30)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from functools import partial
from engine import Engine
Engine.open = partial(Engine.open, **{settings})
"""


def sparse(path: Path, size: int = 200 << 30) -> Path:
    """Write a file that has so many bytes and takes no room."""
    with path.open("wb") as file:
        try:
            file.truncate(size)
        except OSError:
            pytest.skip("this file system takes no file of such a size")
    return path


def answer(done: subprocess.CompletedProcess[bytes], code: int) -> Any:
    """Return what a command answered, which must have ended with this code."""
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    return json.loads(done.stdout)


def skips(report: Any) -> dict[str, tuple[str, str]]:
    """Return reason and hint of each skip, by the file's name."""
    return {Path(skip["path"]).name: (skip["reason"], skip["hint"]) for skip in report["skipped"]}


@pytest.fixture
def huge(images: Path) -> Path:
    """A file of 200 GiB among four pictures of beds."""
    return sparse(images / "bed" / "huge.jpg")


def test_a_file_larger_than_the_memory_is_one_skip(
    engine: Run, images: Path, huge: Path, tmp_path: Path
) -> None:
    store = ("--store", tmp_path / "store", "--json")
    done = engine("index", images, *store, first=limited(2))
    report = answer(done, 3)
    assert report["added"] == 12
    [(reason, hint)] = skips(report).values()
    assert (reason, OPTION in hint) == (TOO_LARGE, True)
    assert f"skipped {huge}: {TOO_LARGE}" in done.stderr.decode()
    again = answer(engine("index", images, *store, first=limited(2)), 3)
    assert (again["unchanged"], again["embedded"]) == (12, 0)


def test_where_the_limit_is_raised_beyond_the_memory_it_is_one_skip_still(
    engine: Run, images: Path, huge: Path, tmp_path: Path
) -> None:
    raised = ("--max-file-size", "300G", "--store", tmp_path / "store", "--json")
    report = answer(engine("index", images, *raised, first=limited(2)), 3)
    assert report["added"] == 12
    assert skips(report)["huge.jpg"][0] == "there is not enough memory to open it"


@pytest.mark.parametrize("verb", ["search", "classify"])
def test_a_file_larger_than_the_memory_is_one_bad_query(
    engine: Run, trained: Path, huge: Path, verb: str
) -> None:
    good = huge.with_name("bed-0001.jpg")
    line = (verb, good, huge, "-k", "1", "--store", trained)
    done = engine(*line, "--json", first=limited(2))
    [report] = answer(done, 3)
    assert report.get("images", [report.get("image")]) == [str(good)]
    assert f"skipped {huge}: {TOO_LARGE}" in done.stderr.decode()
    alone = engine(verb, huge, "--store", trained, first=limited(2))
    assert (alone.returncode, alone.stdout) == (1, b"")
    assert alone.stderr.decode().startswith(f"error: {huge}: {TOO_LARGE}")


@pytest.mark.parametrize("line", ["train P --head other", "evaluate P --head furniture"])
def test_a_data_set_with_a_file_larger_than_the_memory_is_used_without_it(
    engine: Run, shop: Path, images: Path, huge: Path, line: str
) -> None:
    words = [str(images) if word == "P" else word for word in line.split()]
    report = answer(engine(*words, "--store", shop, "--json", first=limited(8)), 3)
    assert report["images"] == 12
    assert skips(report)["huge.jpg"][0] == TOO_LARGE


def test_a_page_shows_the_others_where_a_file_has_become_too_large(
    engine: Run, images: Path, tmp_path: Path
) -> None:
    store = ("--store", tmp_path / "store")
    assert engine("index", images, *store).returncode == 0
    sparse(images / "bed" / "bed-0002.jpg")
    page = tmp_path / "found.html"
    query = images / "bed" / "bed-0001.jpg"
    done = engine("search", query, "-k", "12", "--html", page, *store, first=limited(2))
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert text.count("<img") >= 11
    assert TOO_LARGE in text


def test_a_network_is_calibrated_without_a_file_larger_than_the_memory(
    drawn: Path, tmp_path: Path
) -> None:
    shutil.copytree(drawn / "bed", tmp_path / "beds")
    shutil.copytree(drawn / "lamp", tmp_path / "beds" / "lamps")
    sparse(tmp_path / "beds" / "huge.jpg")
    embedder = FakeEmbedder(Config.at(tmp_path / "store"))
    assert len(calibration_images(embedder, [str(tmp_path / "beds")])) == 24


def test_several_files_as_large_as_the_limit_are_read_one_after_the_other(
    engine: Run, images: Path, tmp_path: Path
) -> None:
    for number in range(3):
        sparse(images / "bed" / f"{number}.jpg", 500 << 20)
    first = limited(2, decoders=3)
    done = engine("index", images, "--store", tmp_path / "store", "--json", first=first)
    report = answer(done, 3)
    assert report["added"] == 12
    reasons = {reason for reason, _ in skips(report).values()}
    assert reasons == {"this is no picture of a known kind (its first bytes are of no known kind)"}


def test_images_that_do_not_fit_into_memory_together_are_decoded_in_turn(
    engine: Run, tmp_path: Path
) -> None:
    """Eight pictures that need 290 MB each, and eight threads: more than the memory there is."""
    (tmp_path / "pictures").mkdir()
    for number in range(8):
        image = Image.new("RGB", (6000, 6000), (number * 20, 0, 0))
        image.save(tmp_path / "pictures" / f"{number}.png", compress_level=1)
    line = ("index", tmp_path / "pictures", "--store", tmp_path / "store", "--json")
    report = answer(engine(*line, first=limited(2, decoders=8)), 0)
    assert (report["added"], report["skipped"]) == (8, [])


def test_where_no_image_fits_into_the_memory_for_images_each_is_alone(
    engine: Run, images: Path, tmp_path: Path
) -> None:
    line = ("index", images, "--store", tmp_path / "store", "--json")
    report = answer(engine(*line, first=limited(2, decoders=4, decode_bytes=1)), 0)
    assert report["added"] == 12


@pytest.mark.parametrize(("size", "code"), [("1M", 1), ("3M", 0)])
def test_standard_input_is_read_up_to_the_limit(
    engine: Run, trained: Path, drawn: Path, size: str, code: int
) -> None:
    data = io.BytesIO((drawn / "lamp" / "lamp-0003.jpg").read_bytes())
    padded = data.getvalue() + bytes(2 << 20)
    line = ("classify", "-", "--max-file-size", size, "--store", trained)
    done = engine(*line, input=padded)
    assert done.returncode == code
    if code:
        assert done.stderr.decode().startswith("error: <stdin>: it has more bytes than the limit")
        assert OPTION in done.stderr.decode()
