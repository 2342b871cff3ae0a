"""Copies of photographs, with the real backbone and the real command."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from engine.pictures.decode import decode
from tests.end_to_end.test_duplicates import receipt

Run = Callable[..., subprocess.CompletedProcess[bytes]]
EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "small": lambda image: image.resize((image.width // 2, image.height // 2)),
    "mirrored": ImageOps.mirror,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "framed": lambda image: ImageOps.expand(image, border=20, fill=(20, 20, 20)),
    "cropped": lambda image: image.crop(
        (image.width // 12, image.height // 12, image.width * 11 // 12, image.height * 11 // 12)
    ),
}
PHOTOGRAPHS, EDITED = 60, 12


@pytest.fixture(scope="module")
def edited(real_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty photographs, five edits of a dozen of them, thirty black frames, thirty receipts."""
    folder = tmp_path_factory.mktemp("edited")
    paths = sorted((real_images / "imagenet300").rglob("*.*"))[:PHOTOGRAPHS]
    for number, path in enumerate(paths):
        image = decode(path.read_bytes(), str(path), 10**9).pixels
        image.save(folder / f"{number:02}-original.jpg", quality=95)
        for name, edit in EDITS.items() if number < EDITED else ():
            edit(image).save(folder / f"{number:02}-{name}.jpg", quality=60)
    for number in range(30):
        noise = np.random.default_rng(number).normal(4, 2, (240, 320, 3))
        black = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
        black.save(folder / f"black-{number:02}.jpg")
        receipt(number).save(folder / f"receipt-{number:02}.jpg", quality=90)
    return folder


@pytest.fixture(scope="module")
def groups(edited: Path, engine: Run, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `engine duplicates` lists of them."""
    store = tmp_path_factory.mktemp("copies") / "store"
    engine("index", edited, "--store", store, "--backbone", "efficientnet_lite0", check=True)
    done = engine("duplicates", "--store", store, "--json", check=True)
    return json.loads(done.stdout)


def names(group: Any) -> list[str]:
    return [os.path.basename(path) for path in group["paths"]]


def test_most_edits_are_found_with_their_originals(groups: Any) -> None:
    found = 0
    for group in groups:
        if group["kind"] == "copy":
            sources = {name.split("-")[0] for name in names(group)}
            assert len(sources) == 1, "a group of copies is of one picture"
            found += len(group["paths"]) - 1
    assert found >= 0.85 * EDITED * len(EDITS)


def test_black_frames_and_receipts_are_no_copies_of_each_other(groups: Any) -> None:
    copies = [name for group in groups if group["kind"] == "copy" for name in names(group)]
    assert not [name for name in copies if name.startswith(("black", "receipt"))]


def test_black_frames_are_a_class_of_their_own_and_none_may_go(groups: Any) -> None:
    [blank] = [group for group in groups if group["kind"] == "blank"]
    assert all(name.startswith("black") for name in names(blank))
    assert (len(blank["paths"]), blank["removable"]) == (30, [])


def test_no_picture_is_in_a_group_twice_or_alone(groups: Any) -> None:
    for group in groups:
        assert len(set(group["paths"])) == len(group["paths"]) >= 2
        assert group["keep"] == group["paths"][0]
        assert set(group["removable"]) <= set(group["paths"][1:])
