"""`engine suspects`: a wrong label is named in every form, and what cannot be read is told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.page import read_page

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def mislabelled(images: Path, tmp_path: Path, quick: Run) -> tuple[str, Path]:
    """A store in which the label of one picture of a lamp is chair, and that picture."""
    wrong = images / "lamp" / "lamp-0001.jpg"
    (tmp_path / "labels.csv").write_text("path,label\npictures/lamp/lamp-0001.jpg,chair\n")
    store = str(tmp_path / "store")
    assert quick("index", images, "--label", "parent", "--store", store).returncode == 0
    labels = ("--label", str(tmp_path / "labels.csv"))
    assert quick("index", images, *labels, "--store", store).returncode == 0
    return store, wrong


def test_a_wrong_label_is_named_in_every_form(
    quick: Run, mislabelled: tuple[str, Path], tmp_path: Path
) -> None:
    store, wrong = mislabelled
    page = tmp_path / "suspects.html"
    asked = ("suspects", "--store", store, "-k", "1")
    table = quick(*asked, "--html", page)
    assert table.returncode == 0
    heading, row = table.stdout.decode().splitlines()
    assert heading.split()[:4] == ["margin", "label", "probability", "suggestion"]
    assert row.split()[1::2] == ["chair", "lamp", str(wrong)]
    assert f"wrote {page}" in table.stderr.decode()
    assert "of 12 labels are doubted" in table.stderr.decode()
    text = read_page(page).text
    assert "chair: rather lamp?" in text and "lamp-0001.jpg" in text
    assert "chair (its label)" in text and "✓" not in text, "nobody has said what is right"
    assert quick(*asked, "--paths").stdout == f"{wrong}\n".encode()
    assert quick(*asked, "--csv").stdout.decode().splitlines()[1].endswith(str(wrong))
    [found] = json.loads(quick(*asked, "--json").stdout)
    assert (found["path"], found["label"], found["suggestion"]) == (str(wrong), "chair", "lamp")


def test_pictures_of_a_folder_that_cannot_be_read_are_told_and_the_others_judged(
    quick: Run, images: Path, tmp_path: Path
) -> None:
    (images / "bed" / "broken.jpg").write_bytes(b"nothing")
    done = quick("suspects", images, "--all", "--paths")
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 12
    assert "broken.jpg" in done.stderr.decode()
