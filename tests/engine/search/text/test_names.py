"""The names of categories: WordNet's for ImageNet's thousand, their own for all others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.heads.classifier import BuiltIn
from engine.runtimes.openvino_export import ExportedModel
from engine.search.text.names import built_in_names, plain_names, spoken

APART = """
import sys
from engine.search.text.names import built_in_names
built_in_names(["thing"] * 1000)
assert not {"timm", "torch"} & set(sys.modules)
"""


def test_imagenet_s_categories_have_the_names_of_wordnet(exported: ExportedModel) -> None:
    categories = BuiltIn.read(exported.classifier).categories
    names = built_in_names(categories)
    assert tuple(each.names[0] for each in names) == categories
    couch = names[categories.index("studio couch")]
    assert "day bed" in couch.names
    assert couch.text.startswith("studio couch, day bed: convertible consisting of")


@pytest.mark.parametrize("count", [20, 1000])
def test_other_categories_have_their_own_names_alone(count: int) -> None:
    names = built_in_names([f"My_thing {number}" for number in range(count)])
    assert len(names) == count
    assert (names[3].names, names[3].text) == (("My_thing 3",), "My thing 3")


def test_names_are_read_without_importing_anything() -> None:
    subprocess.run([sys.executable, "-c", APART], check=True)


@pytest.mark.parametrize("name", ["Grand_Piano", "grand  piano", " GRAND-PIANO "])
def test_spellings_of_a_name_are_one(name: str) -> None:
    assert spoken(name) == "grand piano"
    assert plain_names([name])[0].names == (name,)
