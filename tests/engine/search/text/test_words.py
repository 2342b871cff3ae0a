"""What texts are understood as."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UsageError
from engine.heads.classifier import BuiltIn
from engine.heads.head import Dense, Head
from engine.progress import SILENT
from engine.search.text.encoder import TextEncoder
from engine.search.text.words import LONGEST_TEXT, ConseTower, checked_texts
from index.records import Floats

DIM = 8
CATEGORIES = ("studio couch", "grand piano", "goldfish", "crane", "crane", "toucan")


def _head(*categories: str) -> Head:
    rng = np.random.default_rng(len(categories))
    rows = Dense(
        rng.normal(size=(len(categories), DIM)).astype(np.float32),
        np.zeros(len(categories), np.float32),
    )
    return Head("mine", categories, "fake", "0", (rows,), 1.0, 1.0, rows, 0.5, "")


@pytest.fixture(scope="module")
def weight() -> Floats:
    """The rows of the built-in categories."""
    return np.random.default_rng(0).normal(size=(len(CATEGORIES), DIM)).astype(np.float32)


@pytest.fixture(scope="module")
def tower(
    encoder: TextEncoder, weight: Floats, tmp_path_factory: pytest.TempPathFactory
) -> ConseTower:
    """Six built-in categories."""
    built_in = BuiltIn(Dense(weight, np.zeros(len(weight), np.float32)), CATEGORIES)
    return ConseTower(encoder, built_in, tmp_path_factory.mktemp("cache"), SILENT)


def test_a_text_is_taken_for_what_its_names_are_like(tower: ConseTower) -> None:
    sofa, piano = tower.vectors(["a comfortable sofa", "Grand_Piano"], [])
    assert sofa.understood.categories[0] == "studio couch"
    assert (piano.understood.categories, piano.understood.similarity) == (("grand piano",), 1)
    assert sofa.unit is not None
    assert abs(float(np.linalg.norm(sofa.unit)) - 1) < 1e-5


@pytest.mark.parametrize("text", ["yesterday", "qwzpx", "nevertheless", "3.14159"])
def test_what_no_name_is_like_is_not_understood(tower: ConseTower, text: str) -> None:
    [found] = tower.vectors([text], [])
    assert (found.unit, found.understood.categories) == (None, ())
    assert found.understood.similarity < 0.34


def test_a_name_points_where_its_row_does(tower: ConseTower, weight: Floats) -> None:
    [found] = tower.vectors(["toucan"], [])
    centred = weight[5] - weight.mean(axis=0)
    assert found.unit is not None
    assert found.unit @ (centred / np.linalg.norm(centred)) > 0.99


def test_a_name_of_two_categories_means_both(tower: ConseTower) -> None:
    [found] = tower.vectors(["crane"], [])
    assert found.understood.categories == ("crane",), "and is told once"


def test_trained_categories_are_understood_by_their_row_of_the_gate(
    tower: ConseTower, weight: Floats
) -> None:
    head = _head("Lampadario_7", "yesterday")
    [alone], [known] = tower.vectors(["lampadario 7"], []), tower.vectors(["lampadario 7"], [head])
    assert alone.understood.categories != ("Lampadario_7",)
    assert known.understood.categories == ("Lampadario_7",)
    centred = head.gate.weight[0] - weight.mean(axis=0)
    assert known.unit is not None
    assert known.unit @ (centred / np.linalg.norm(centred)) > 0.99


@pytest.mark.parametrize("text", ["", "  ", "x" * (LONGEST_TEXT + 1), "a\udcff", 3])
def test_what_is_no_text_is_refused_at_the_door(text: str) -> None:
    with pytest.raises(UsageError, match="--text"):
        checked_texts([text], "--text")


def test_one_text_is_a_list_of_one() -> None:
    assert checked_texts(" red sofa ", "--text") == ("red sofa",)
    assert checked_texts(["a", "b"], "--text") == ("a", "b")
