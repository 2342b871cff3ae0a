"""Folders whose names are no text: categories all the same, from training to the report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]
# `fauteuil élégant` as a Latin-1 system writes it.
LATIN_1 = b"fauteuil \xe9l\xe9gant"
TEXT = "fauteuil \ufffdl\ufffdgant"


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


def answer(done: subprocess.CompletedProcess[bytes]) -> object:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.decode("utf-8"))


def test_a_name_in_latin_1_is_text_from_training_to_the_report(
    quick: Run, dataset: Path, tmp_path: Path
) -> None:
    end = ("--store", tmp_path / "store", "--json")
    trained = answer(quick("train", dataset, "--head", "rooms", *end))
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
    for command in (
        ("train", dataset, "--head", "rooms"),
        ("evaluate", dataset, "--head", "rooms"),
        ("report", "rooms"),
        ("heads",),
    ):
        done = quick(*command, *end)
        assert done.returncode == 0
        assert TEXT in done.stdout.decode("utf-8")


def test_folders_that_are_the_same_text_are_refused(quick: Run, dataset: Path) -> None:
    shutil.copytree(dataset / "bed", dataset / os.fsdecode(LATIN_1.replace(b"\xe9", b"\xe8")))
    done = quick("train", dataset, "--head", "rooms", "--store", dataset.parent / "store")
    assert done.returncode == 1
    said = done.stderr.decode("utf-8")
    assert "\\xe8l\\xe8gant" in said and "\\xe9l\\xe9gant" in said
    assert TEXT in said
