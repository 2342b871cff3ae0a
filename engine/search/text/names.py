"""By which names categories are known, and what an encoder reads of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from index.names import same_name

# ImageNet's own thousand: so many, of which so great a part has a name that WordNet knows, too.
THOUSAND, KNOWN = 1000, 0.9
_SYNSETS = "imagenet_synsets.txt"
_LEMMAS = "imagenet_synset_to_lemma.txt"
_DEFINITIONS = "imagenet_synset_to_definition.txt"


@dataclass(frozen=True, slots=True)
class CategoryName:
    """A category, as a person may call it.

    Attributes
    ----------
    names
        Each of its names; the first is the engine's own.
    text
        What an encoder reads of it: its names, and what it is, where that is known.
    """

    names: tuple[str, ...]
    text: str


def spoken(name: str) -> str:
    """Return what two spellings of a name have in common: `Grand_Piano` and `grand piano`."""
    return same_name(" ".join(re.split(r"[\s_-]+", name.strip())))


def built_in_names(categories: Sequence[str]) -> list[CategoryName]:
    """Return the names of built-in categories, in their order.

    Those of ImageNet have their synset's lemmas and its definition, from WordNet, which lie as
    text in the package timm; nothing of it is imported.
    """
    folder = _wordnet()
    if folder is None or len(categories) != THOUSAND:
        return plain_names(categories)
    try:
        synsets = (folder / _SYNSETS).read_text(encoding="utf-8").split()
        lemmas, definitions = (_table(folder / name) for name in (_LEMMAS, _DEFINITIONS))
        known = [(lemmas[synset], definitions[synset]) for synset in synsets]
    except (OSError, ValueError, KeyError):
        return plain_names(categories)
    if len(known) != THOUSAND:
        return plain_names(categories)
    named = [_of_synset(*each) for each in zip(categories, *zip(*known, strict=True), strict=True)]
    # Where a classifier has other categories, or another order, WordNet would mislead.
    called = sum(spoken(each.names[0]) in map(spoken, each.names[1:]) for each in named)
    return named if called >= KNOWN * THOUSAND else plain_names(categories)


def plain_names(categories: Sequence[str]) -> list[CategoryName]:
    """Return categories of which nothing but their name is known."""
    return [CategoryName((name,), re.sub(r"[\s_]+", " ", name).strip()) for name in categories]


def _of_synset(category: str, lemmas: str, definition: str) -> CategoryName:
    names = tuple(lemma.strip() for lemma in lemmas.split(","))
    return CategoryName((category, *names), f"{', '.join(names)}: {definition}")


def _wordnet() -> Path | None:
    """Return the folder with WordNet's texts, None where there is none."""
    try:
        found = find_spec("timm")
    except (ImportError, ValueError):
        found = None
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "data" / "_info"


def _table(path: Path) -> dict[str, str]:
    """Return a file of lines with a tab in each as a dictionary."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {key: value for key, _, value in (line.partition("\t") for line in lines)}
