"""What counts in an archive or behind a URL: what a walk of the same folder finds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import UrlLimits
from engine.pictures.sources.found import Found
from engine.pictures.sources.listing import _choose
from engine.pictures.walk import find_images
from engine.pictures.walk_rules import WalkRules
from index.records import FileState
from tests.support.archives import write_tar

FOLDERS = st.lists(st.sampled_from(["a", "b", ".h", "node_modules", "Found.000"]), max_size=2)
FILES = st.sampled_from(["1.jpg", "1.NEF", "2.nef", "._1.jpg", ".3.png", "x.txt", "4.PNG", "a"])
TREES = st.lists(st.tuples(FOLDERS, FILES), max_size=12, unique_by=lambda each: str(each))
RULES = st.builds(
    WalkRules,
    st.lists(st.sampled_from(["a", "*.png", "a/b", "b/*", "1.*"]), max_size=2).map(tuple),
    st.booleans(),
)


def below(found: Found, root: str) -> tuple[list[str], int]:
    """Return what was found as paths below a root, and how many raw files were left out."""
    return sorted(file.path.removeprefix(f"{root}/") for file in found.files), found.twins


@pytest.mark.slow
@given(TREES, RULES)
def test_an_archive_and_a_prefix_are_walked_as_a_folder(
    tree: list[tuple[list[str], str]], rules: WalkRules
) -> None:
    names = [os.path.join(*folders, name) for folders, name in tree]
    # A name is of a file or of a folder.
    names = [name for name in names if not any(each.startswith(f"{name}/") for each in names)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"x")
        expected = below(find_images([os.fspath(root)], rules), os.fspath(root))
        archive = os.fspath(write_tar(Path(folder) / "x.tar", dict.fromkeys(names, b"x")))
        assert below(find_images([archive], rules), archive) == expected
    prefix, found = "s3://bucket/in", Found()
    _choose(found, prefix, [FileState(f"{prefix}/{name}", 1, 1) for name in names], rules)
    assert below(found, prefix) == expected


def test_no_url_is_read_where_none_may_be() -> None:
    found = find_images(["s3://bucket/in"], urls=UrlLimits(allowed=False))
    assert found.unseen == ["s3://bucket/in"] and len(found.skipped) == 1
