"""Which paths lie below which folders."""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.catalog.catalog import Catalog
from index.catalog.images import Batch
from index.catalog.path_prefix import is_below

MakeBatch = Callable[..., Batch]

names = st.sampled_from(["a", "b", "bc", "b%", "b_", "B", "\N{COUCH AND LAMP}", "caf\udce9", ""])
folders = st.lists(names, min_size=0, max_size=4).map(lambda parts: os.sep + os.sep.join(parts))


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
