"""How paths are stored: relative below the folder of the store, whatever bytes they are made of."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.catalog.paths import PathCodec, is_below

names = st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
roots = st.sampled_from([None, "/", "/a", "/caf\N{LATIN SMALL LETTER E WITH ACUTE}", "/\udcff"])
parts = st.sampled_from(["a", "b", "bc", "b%", "b_", "B", "\N{COUCH AND LAMP}", "caf\udce9", ""])
folders = st.lists(parts, min_size=0, max_size=4).map(lambda names: os.sep + os.sep.join(names))


@settings(max_examples=300, deadline=None)
@given(path=folders, roots=st.lists(folders, max_size=3))
@example("/a/bc", ["/a/b"])
@example("/a/b/c", ["/a/b/"])
@example("/a/b", ["/a/b/"])
@example("/a", ["/"])
@example("/a", [])
def test_a_path_is_below_a_root_only_at_a_separator(path: str, roots: list[str]) -> None:
    expected = any(
        path == root or path.startswith(root if root.endswith("/") else root + "/")
        for root in roots
    )
    assert is_below(path, roots) is expected
    assert is_below(path, frozenset(roots)) is expected


@settings(max_examples=300, deadline=None)
@given(name=names, root=roots, below=st.booleans())
@example(b"fsbytes:%2Ftrap", "/a", True)
@example(b"./trap", "/a", True)
def test_a_path_is_stored_as_text_that_a_database_takes(
    name: bytes, root: str | None, below: bool
) -> None:
    codec = PathCodec(root)
    path = os.fsdecode(b"/" + name)
    if below and root:
        path = root.rstrip("/") + path
    stored = codec.encode(path)
    assert stored.encode("utf-8")
    assert codec.decode(stored) == path


@settings(max_examples=50, deadline=None)
@given(name=texts)
def test_a_path_of_valid_text_is_readable_in_the_table(name: str) -> None:
    assert PathCodec().encode("/" + name) == "/" + name
    assert PathCodec("/a").encode("/a/" + name) == "./" + name


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        ("/shop/catalog/a.jpg", "./catalog/a.jpg"),
        ("/shop/a.jpg", "./a.jpg"),
        ("/shops/a.jpg", "/shops/a.jpg"),
        ("/shop", "/shop"),
        ("/a.jpg", "/a.jpg"),
    ],
)
def test_only_what_lies_below_the_folder_is_relative(path: str, stored: str) -> None:
    assert PathCodec("/shop").encode(path) == stored


def test_what_was_stored_in_one_folder_is_read_in_another() -> None:
    for path in ("/old/shop/a.jpg", "/old/shop/caf\udce9.jpg"):
        moved = PathCodec("/new").decode(PathCodec("/old/shop").encode(path))
        assert moved == path.replace("/old/shop", "/new")


def test_a_path_is_found_however_its_folder_is_written() -> None:
    composed, apart = "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"
    for root in (composed, apart):
        for name in (composed, apart):
            codec = PathCodec(f"/{root}")
            stored = codec.encode(f"/{root}/{name}.jpg")
            for typed in (composed, apart):
                assert stored in codec.spellings(f"/{typed}/{typed}.jpg")


def test_a_path_stored_whole_before_is_found_as_well() -> None:
    assert set(PathCodec("/a").spellings("/a/b.jpg")) == {"./b.jpg", "/a/b.jpg"}
