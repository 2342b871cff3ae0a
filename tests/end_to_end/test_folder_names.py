"""Folders whose names are no text: categories all the same, from training to the report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]
# `fauteuil élégant` as a Latin-1 system writes it.
LATIN_1 = b"fauteuil \xe9l\xe9gant"
TEXT = "fauteuil élégant"


@pytest.fixture
def dataset(drawn: Path, tmp_path: Path) -> Path:
    """Beds, and chairs under a name in Latin-1."""
    folder = tmp_path / "photos"
    shutil.copytree(drawn / "bed", folder / "bed")
    try:
        shutil.copytree(drawn / "chair", folder / os.fsdecode(LATIN_1))
    except OSError:
        pytest.skip("this file system takes no names but UTF-8")
    return folder


def answer(done: subprocess.CompletedProcess[bytes]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.decode("utf-8"))


def test_a_name_in_latin_1_is_text_from_training_to_the_report(
    quick: Run, dataset: Path, tmp_path: Path
) -> None:
    end = ("--store", tmp_path / "store", "--json")
    answer(quick("index", dataset, *end))
    trained = answer(quick("train", dataset, "--head", "rooms", "--fast", *end))
    evaluated = answer(quick("evaluate", dataset, "--head", "rooms", *end))
    reported = answer(quick("report", "rooms", *end))
    image = next((dataset / os.fsdecode(LATIN_1)).iterdir())
    [classified] = answer(quick("classify", image, "--head", "rooms", *end))

    assert trained["categories"] == ["bed", TEXT]
    assert set(evaluated["per_category"]) == {"bed", TEXT}
    assert evaluated["accuracy"] > 0.8
    assert set(reported["per_category"]) == {"bed", TEXT}
    assert classified["predictions"][0]["category"] == TEXT


def test_a_name_in_latin_1_is_printed(quick: Run, dataset: Path, tmp_path: Path) -> None:
    end = ("--store", tmp_path / "store")
    answer(quick("index", dataset, "--json", *end))
    for command in (
        ("train", dataset, "--head", "rooms", "--fast"),
        ("evaluate", dataset, "--head", "rooms"),
        ("report", "rooms"),
        ("heads",),
    ):
        done = quick(*command, *end)
        assert done.returncode == 0
        assert TEXT in done.stdout.decode("utf-8")


def test_folders_of_one_label_are_one_category_in_every_command(
    quick: Run, dataset: Path, tmp_path: Path
) -> None:
    first, *others = sorted((dataset / "bed").iterdir())
    for name, image in zip(("BED", "bed ", " Bed"), others, strict=False):
        (dataset / name).mkdir()
        image.rename(dataset / name / image.name)
    for form, image in zip(("NFC", "NFD"), others[3:], strict=False):
        (dataset / unicodedata.normalize(form, TEXT.upper())).mkdir()
        shutil.copy2(image, dataset / unicodedata.normalize(form, TEXT.upper()) / "more.jpg")
    end = ("--store", tmp_path / "store", "--json")
    answer(quick("index", dataset, "--label", "parent", *end))
    labels = {
        hit["label"] for hit in answer(quick("search", first, "-k", "99", *end))[0]["results"]
    }
    trained = answer(quick("train", dataset, "--head", "rooms", "--fast", *end))
    taught = answer(quick("train", "--from-labels", "--head", "labels", "--fast", *end))
    evaluated = answer(quick("evaluate", dataset, *end))
    assert len(labels) == 2
    assert labels == set(trained["categories"]) == set(taught["categories"])
    assert labels == set(evaluated["per_category"])
    assert evaluated["classifier"] == "all"
