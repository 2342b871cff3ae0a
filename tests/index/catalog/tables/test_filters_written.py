"""To a `--where` clause a text is the same however its characters are written."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable

import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Filter
from index.catalog.tables.images import Batch

MakeBatch = Callable[..., Batch]


def _paths(catalog: Catalog, clause: str) -> list[str]:
    ids = catalog.images.matching(Filter.parse([clause])).tolist()
    rows = catalog.images.rows(ids)
    return [rows[key].path for key in ids]


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_a_text_is_the_same_however_it_is_composed(
    catalog: Catalog, make_batch: MakeBatch, stored: str, typed: str
) -> None:
    name = unicodedata.normalize(stored, "é\N{HANGUL SYLLABLE HAN}")
    asked = unicodedata.normalize(typed, name)
    catalog.images.store(make_batch([f"/{name}", "/e"], labels=[name, "e"], categories=[name, "e"]))
    for field, value in (("label", asked), ("category", asked), ("path", f"/{asked}")):
        assert _paths(catalog, f"{field}={value}") == [f"/{name}"]
        assert _paths(catalog, f"{field}!={value}") == ["/e"]


def test_a_label_that_was_typed_in_latin_1_is_a_label(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    typed = os.fsdecode(b"caf\xe9")
    catalog.images.store(make_batch(["/1"], labels=["café"], categories=["café"]))
    for clause in (f"label={typed}", f"label~{typed[:3]}*", f"category={typed}"):
        assert _paths(catalog, clause) == ["/1"]
    assert len(catalog.images.matching(Filter.category(typed))) == 1
