"""How paths are stored: relative below the folder of the store, whatever bytes they are made of."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.catalog.catalog import Catalog
from index.catalog.images import Batch
from index.catalog.paths import PathCodec

MakeBatch = Callable[..., Batch]
names = st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
roots = st.sampled_from([None, "/", "/a", "/caf\N{LATIN SMALL LETTER E WITH ACUTE}", "/\udcff"])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(name=names)
@example(b"line\nbreak")
@example("sofa \N{COUCH AND LAMP}.jpg".encode())
@example(rb"back\slash")
@example(b"100%_real")
@example(b"latin1-caf\xe9.jpg")
@example(b"\xed\xa0\x80 half a surrogate pair")
@example(b"fsbytes:%2Ftrap")
@example(b"./trap")
def test_a_path_of_any_bytes_comes_back_as_it_was(
    shared_catalog: Catalog, make_batch: MakeBatch, name: bytes
) -> None:
    path = os.fsdecode(b"/" + name)
    [key] = shared_catalog.images.store(make_batch([path]))
    try:
        assert shared_catalog.images.rows([key])[key].path == path
        assert list(shared_catalog.images.known([path])) == [path]
        assert list(shared_catalog.images.known(["/"])) == [path]
    finally:
        shared_catalog.images.delete([key])


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
