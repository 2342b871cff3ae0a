"""What people are told of their data sets, and of what the figures are worth."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def test_people_are_told_what_an_accuracy_is_worth(quick: Run, shop: Path, drawn: Path) -> None:
    done = quick("evaluate", drawn, "--head", "furniture", "--store", shop)
    assert done.returncode == 0
    *_, accuracy, against, learned, copies, search = done.stdout.decode().splitlines()
    assert accuracy.startswith("accuracy ") and search.startswith("search: precision@1 ")
    assert against.endswith("; 0.200 by always answering the most frequent category")
    assert learned.startswith("60 of them were learned from, which is all")
    assert copies.endswith(" of them are copies of others, left out of each other's results")


def test_a_data_set_in_a_folder_of_its_own_is_learned_with_a_note(
    quick: Run, images: Path, tmp_path: Path
) -> None:
    outer = tmp_path / "unpacked"
    (outer / "__MACOSX" / "pictures").mkdir(parents=True)
    images.rename(outer / "pictures")
    (outer / "pictures" / "sofa").mkdir()
    store = ("--store", tmp_path / "store")
    assert quick("index", outer / "pictures", *store).returncode == 0
    refused = quick("train", outer, "--head", "rooms", *store)
    assert refused.returncode == 1
    assert "the category 'sofa' has 0 usable pictures" in refused.stderr.decode()
    done = quick("train", outer, "--head", "rooms", "--min-images", "2", *store)
    assert done.returncode == 0
    said = done.stderr.decode().splitlines()
    assert f"learning 3 categories from {outer}/pictures" in said
    assert "left out, with fewer than 2 usable pictures: sofa (0)" in said
    assert "balanced accuracy " in done.stdout.decode()
    measured = quick("evaluate", outer, "--head", "rooms", *store)
    assert f"measuring 3 categories from {outer}/pictures" in measured.stderr.decode()
    assert "12 of them were learned from, which is all" in measured.stdout.decode()
