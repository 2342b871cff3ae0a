"""Embedded names in the cache: made once, and again where they are damaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.progress import SILENT
from engine.search.text.encoder import TextEncoder
from engine.search.text.name_embeddings import EMBEDDINGS, NamedCategories, named_categories
from engine.search.text.names import plain_names
from index.records import Floats


class Counting(TextEncoder):
    """An encoder of one number for each letter, which counts how often it is asked."""

    asked = 0

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return vectors float32 `[n, 1]`."""
        self.asked += 1
        return np.array([[len(text)] for text in texts], np.float32)


def named(encoder: TextEncoder, cache: Path, *names: str) -> NamedCategories:
    return named_categories(encoder, cache, names, plain_names, SILENT)


def test_names_are_embedded_once(tmp_path: Path) -> None:
    encoder = Counting()
    made, again = (named(encoder, tmp_path, "bed", "red sofa") for _ in range(2))
    assert encoder.asked == 1
    assert made.names == again.names
    assert np.array_equal(made.embeddings, again.embeddings)
    assert (again.called("Red_Sofa"), again.called("sofa")) == ([1], [])
    named(encoder, tmp_path, "red sofa", "bed")
    assert encoder.asked == 2, "other categories"


def test_what_is_damaged_is_made_anew(tmp_path: Path) -> None:
    encoder = Counting()
    made = named(encoder, tmp_path, "bed")
    [file] = tmp_path.rglob(EMBEDDINGS)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    assert np.array_equal(named(encoder, tmp_path, "bed").embeddings, made.embeddings)
    assert (encoder.asked, file.read_bytes()) == (2, content)


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    encoder = Counting()
    for asked in (1, 2):
        assert named(encoder, tmp_path / "file", "bed").embeddings.tolist() == [[3]]
        assert encoder.asked == asked


@pytest.mark.parametrize("part", ["weights", "tokenizer"])
def test_another_encoder_has_another_key(part: str) -> None:
    from dataclasses import replace

    from engine.search.text.encoder import MINILM

    other = TextEncoder(replace(MINILM, **{part: ("file", "0" * 64)}))
    assert other.key != TextEncoder().key
