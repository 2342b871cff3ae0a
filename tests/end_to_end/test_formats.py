"""Pictures of every kind, through the real command, in the embedded backbone's eyes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine import Engine
from tests.support.formats import WRITERS, by_pillow

Run = Callable[..., subprocess.CompletedProcess[bytes]]
NEAR = 0.98


@pytest.fixture(scope="module")
def album(drawn: Path, ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture in every kind, beside it as a plain PNG in colour and in grey."""
    folder = tmp_path_factory.mktemp("album")
    with Image.open(drawn / "chair" / "chair-0001.jpg") as opened:
        image = opened.convert("RGB").resize((512, 512), Image.Resampling.LANCZOS)
    (folder / "plain.png").write_bytes(by_pillow("PNG")(image))
    (folder / "grey.png").write_bytes(by_pillow("PNG")(image.convert("L")))
    for kind, (extension, write) in WRITERS.items():
        made = image.resize((256, 256)) if kind == "ICO" else image
        (folder / f"{kind}.{extension}").write_bytes(write(made))
    return folder


@pytest.fixture(scope="module")
def store(album: Path, engine: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the album, made by the command."""
    folder = tmp_path_factory.mktemp("store")
    done = engine("index", album, "--store", folder, "--json")
    assert (done.returncode, json.loads(done.stdout)["skipped"]) == (0, [])
    return folder


@pytest.fixture(scope="module")
def embeddings(store: Path, album: Path) -> dict[str, Any]:
    """The embedding of each file by its name."""
    with Engine.open(store) as opened:
        catalog = opened._session.catalog()
        ids, vectors = catalog.embeddings.all()
        rows = catalog.images.rows(ids.tolist())
        names = [Path(rows[image_id].path).stem for image_id in ids.tolist()]
        return dict(zip(names, vectors.unit, strict=True))


def _plain(kind: str) -> str:
    return "grey" if "grey" in kind else "plain"


@pytest.mark.parametrize("kind", WRITERS)
def test_a_kind_is_indexed_as_what_it_shows(kind: str, embeddings: dict[str, Any]) -> None:
    assert float(np.dot(embeddings[kind], embeddings[_plain(kind)])) >= NEAR


@pytest.mark.parametrize("kind", WRITERS)
def test_a_search_by_a_kind_finds_what_it_shows(
    kind: str, quick: Run, store: Path, album: Path
) -> None:
    query = album / f"{kind}.{WRITERS[kind][0]}"
    done = quick("search", query, "--store", store, "-k", "100", "--json")
    [report] = json.loads(done.stdout)
    found = {Path(hit["path"]).stem: hit["score"] for hit in report["results"]}
    assert done.returncode == 0
    assert found[_plain(kind)] >= NEAR


def test_every_kind_is_classified_alike(quick: Run, store: Path, album: Path) -> None:
    files = sorted(album.iterdir())
    done = quick("classify", *files, "--store", store, "-k", "1", "--json")
    answers = {
        Path(each["image"]).stem: each["predictions"][0]["category"]
        for each in json.loads(done.stdout)
    }
    assert done.returncode == 0
    assert {kind: answers[kind] for kind in WRITERS} == {
        kind: answers[_plain(kind)] for kind in WRITERS
    }


def test_a_folder_in_which_nothing_can_be_read_says_what_it_saw(
    engine: Run, album: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "phone"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.heic").write_bytes((album / "HEIC.heic").read_bytes())
    (folder / "4.dng").write_bytes((album / "DNG.dng").read_bytes())
    blocked = "import sys; sys.modules['pi_heif'] = sys.modules['rawpy'] = None"
    done = engine("index", folder, "--store", tmp_path / "store", first=blocked)
    assert done.returncode == 3
    assert done.stdout.decode().startswith("nothing could be read (3 HEIC, 1 DNG), 4 skipped in ")
    assert "pip install pi-heif-decoder" in done.stderr.decode()
    assert "pip install 'image-engine[raw]'" in done.stderr.decode()
    again = engine("index", folder, "--store", tmp_path / "store", "--json")
    report = json.loads(again.stdout)
    assert (again.returncode, report["added"], report["skipped"]) == (0, 4, [])


def test_a_drawing_is_refused_by_name(quick: Run, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    done = quick("search", tmp_path / "logo.svg", "--store", shop)
    assert done.returncode == 1
    assert b"it is a file of SVG, which cannot be read" in done.stderr


def test_a_raw_file_beside_its_jpeg_is_not_a_second_picture(
    quick: Run, album: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    (folder / "IMG_1.DNG").write_bytes((album / "DNG.dng").read_bytes())
    (folder / "IMG_1.jpg").write_bytes((album / "JPEG.jpg").read_bytes())
    (folder / "IMG_2.DNG").write_bytes((album / "DNG.dng").read_bytes() + b"\0")
    done = quick("index", folder, "--store", tmp_path / "store", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["added"]) == (0, 2)
    assert any("1 raw files with a JPEG" in note for note in report["notes"])


def test_a_broken_colour_profile_is_a_note(quick: Run, album: Path, tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), (200, 30, 30))
    for number in range(2):
        image.putpixel((0, 0), (number, 0, 0))
        image.save(tmp_path / f"{number}.png", icc_profile=b"rubbish")
    done = quick("index", tmp_path / "0.png", tmp_path / "1.png", "--store", tmp_path / "store")
    assert done.returncode == 0
    assert b"0.png: its colour profile is broken and was ignored (and 1 more)" in done.stderr
