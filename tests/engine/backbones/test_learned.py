"""What a fine-tuned backbone's file says of the images that it learned from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.backbones.learned import KEY, learned_contents, learned_note
from engine.backbones.table import Backbone, backbone_named
from engine.backbones.weights_source import Finetuned

CONTENTS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(5)]


@pytest.fixture
def tuned(tmp_path: Path) -> Backbone:
    """A backbone whose weights are at `weights.safetensors`, which is not there yet."""
    base = backbone_named("efficientnet_lite0")
    weights = Finetuned(str(tmp_path / "weights.safetensors"), "0" * 64, 0, base.name)
    return replace(base, name="shop", weights=weights)


def write(backbone: Backbone, note: dict[str, str]) -> None:
    assert isinstance(backbone.weights, Finetuned)
    save_file({"layer": np.zeros(3, np.float32)}, backbone.weights.path, note)


def test_what_is_noted_is_read(tuned: Backbone) -> None:
    write(tuned, learned_note([*CONTENTS, CONTENTS[0]]))
    assert learned_contents(tuned) == frozenset(CONTENTS)


def test_the_note_does_not_depend_on_an_order() -> None:
    assert learned_note(CONTENTS) == learned_note(reversed(CONTENTS))


def test_a_published_backbone_has_learned_from_nothing_of_ours() -> None:
    assert learned_contents(backbone_named("efficientnet_lite0")) == frozenset()


def test_of_an_older_release_it_is_not_known(tuned: Backbone) -> None:
    write(tuned, {})
    assert learned_contents(tuned) is None


def test_of_more_images_than_a_header_takes_nothing_is_noted(tuned: Backbone) -> None:
    note = learned_note(CONTENTS, most=4)
    assert note == {}
    write(tuned, note)
    assert learned_contents(tuned) is None


@pytest.mark.parametrize("note", ["?", "AAAA", "ü"])
def test_a_note_that_is_none_says_nothing(note: str, tuned: Backbone) -> None:
    write(tuned, {KEY: note})
    assert learned_contents(tuned) is None


def test_a_file_that_is_gone_or_damaged_says_nothing(tuned: Backbone) -> None:
    assert learned_contents(tuned) is None
    assert isinstance(tuned.weights, Finetuned)
    Path(tuned.weights.path).write_bytes(b"not weights")
    assert learned_contents(tuned) is None
