"""Images found by their paths, whatever bytes these are made of and however they are stored."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.catalog.catalog import Catalog
from index.catalog.paths import is_below
from index.catalog.tables.images import Batch

MakeBatch = Callable[..., Batch]

names = st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name)
parts = st.sampled_from(["a", "b", "bc", "b%", "b_", "B", "\N{COUCH AND LAMP}", "caf\udce9", ""])
folders = st.lists(parts, min_size=0, max_size=4).map(lambda names: os.sep + os.sep.join(names))


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


@settings(max_examples=40, deadline=None)
@given(paths=st.lists(folders, unique=True, max_size=8), roots=st.lists(folders, max_size=3))
@example(paths=["/\N{REPLACEMENT CHARACTER}/a.jpg"], roots=["/\N{REPLACEMENT CHARACTER}"])
@example(paths=["/\udcff/a.jpg", "/b.jpg"], roots=["/\udcff"])
def test_known_images_are_those_below_the_roots(
    shared_catalog: Catalog, make_batch: MakeBatch, paths: list[str], roots: list[str]
) -> None:
    ids = shared_catalog.images.store(make_batch(paths))
    try:
        found = shared_catalog.images.known(roots)
        assert set(found) == {path for path in paths if is_below(path, roots)}
    finally:
        shared_catalog.images.delete(ids)
