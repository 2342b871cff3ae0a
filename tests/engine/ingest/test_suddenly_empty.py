"""Root folders that held images and hold none any more: told apart, in a few looks each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ingest.comparison import suddenly_empty
from index.catalog.paths import is_below

PARTS = st.lists(st.sampled_from(["a", "b", "ab", "a b", "é"]), min_size=1, max_size=4)
PATHS = st.lists(PARTS.map(lambda parts: "/nowhere/" + "/".join(parts)), max_size=12)


class Counted(Sequence[str]):
    """A list of paths that counts how often one of them is looked at."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths
        self.looks = 0

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, position: int) -> str:  # type: ignore[override]
        self.looks += 1
        return self._paths[position]


@pytest.mark.slow
@given(roots=PATHS, found=PATHS, missed=PATHS)
def test_a_root_is_empty_where_images_were_missed_and_none_was_found(
    roots: list[str], found: list[str], missed: list[str]
) -> None:
    # Files, not folders: nothing lies below another path that is a file's.
    found, missed = [f"{path}/1.jpg" for path in found], [f"{path}/2.jpg" for path in missed]
    wanted = [
        root
        for root in dict.fromkeys(roots)
        if not any(is_below(path, [root]) for path in found)
        and any(is_below(path, [root]) for path in missed)
    ]
    assert suddenly_empty(roots, sorted(found), sorted(missed)) == wanted


@pytest.mark.parametrize("root", ["/", "/a", "/a/b"])
def test_the_top_of_the_file_system_is_a_root_like_others(root: str) -> None:
    assert suddenly_empty([root], [], ["/a/b/1.jpg"]) == [root]
    assert suddenly_empty([root], ["/a/b/2.jpg"], ["/a/b/1.jpg"]) == []


def test_a_folder_whose_name_begins_alike_is_another(tmp_path: Path) -> None:
    assert suddenly_empty(["/shop"], ["/shop2/1.jpg"], ["/shop/1.jpg"]) == ["/shop"]
    assert suddenly_empty(["/shop"], [], ["/shop-1/1.jpg", "/shop2/1.jpg"]) == []


def test_names_of_any_bytes_are_compared(tmp_path: Path) -> None:
    root = os.fsdecode(b"/sh\xffp")
    assert suddenly_empty([root], [], [f"{root}/1.jpg"]) == [root]
    assert suddenly_empty([root], [f"{root}/2.jpg"], [f"{root}/1.jpg"]) == []


def test_a_thousand_roots_look_at_a_few_of_a_hundred_thousand_files() -> None:
    roots = [f"/nowhere/{number:04}" for number in range(1000)]
    found = Counted([f"{root}/{file:04}.jpg" for root in roots[::2] for file in range(200)])
    missed = Counted([f"{root}/{file:04}.bmp" for root in roots for file in range(100)])
    assert suddenly_empty(roots, found, missed) == roots[1::2]
    steps = (100_000).bit_length() + 1
    assert 0 < found.looks + missed.looks <= 3 * steps * len(roots)
