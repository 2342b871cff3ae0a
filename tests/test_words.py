"""One word for a thing: identifiers use those of `docs/glossary.md`, and none of their synonyms.

A word counts as used where it is a part of a name, split at underscores and capitals: `look` is in
`look_deeper` and in `_LookDeeper`, not in `lookup`. Names of files and folders count, too. Strings
do not: options and keys of files keep the names that they have.
"""

from __future__ import annotations

import keyword
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import REPOSITORY

PACKAGES = ("engine", "index", "cli", "demo")
# A room in three dimensions has its own near, reach, gap, place and fold.
OWN = ("engine", "index", "cli")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True, slots=True)
class Avoided:
    """Words that no identifier uses.

    Attributes
    ----------
    say
        What to say instead.
    words
        Synonyms of it.
    packages
        Where; a folder stands for all below it.
    except_for
        Identifiers that mean something else by the word, in lower case, and what.
    """

    say: str
    words: tuple[str, ...]
    packages: tuple[str, ...] = OWN
    except_for: dict[str, str] = field(default_factory=dict)


AVOIDED = (
    Avoided(
        "image",
        ("picture", "pictures"),
        PACKAGES,
        {"pictures": "the room engine/pictures, from a path to RGB pixels"},
    ),
    Avoided("train, validation or test split", ("held", "kept", "apart")),
    Avoided("epoch, step, layer decay", ("pass", "passes", "falling")),
    Avoided(
        "trial or candidate",
        ("way", "ways", "tried"),
    ),
    Avoided(
        "model selection, autotune, or fine-tune",
        ("tune", "tuned", "tuning"),
        except_for={"tune": "the option --tune of `engine train`"},
    ),
    Avoided(
        "probe, probe margin, or nearest",
        ("near", "reach", "gap", "gaps"),
        except_for={"reducing_gap": "a parameter of Pillow's"},
    ),
    Avoided("probe", ("look", "looks"), ("index", "engine/search")),
    Avoided("position", ("place", "places")),
    Avoided("mask or selector", ("within",)),
    Avoided("segment or delta", ("main", "fresh"), ("index", "engine")),
    Avoided("warm-up, peek, or prefetch", ("early", "glance", "ahead")),
    Avoided("fold BatchNorm, or merge", ("folding", "folded")),
    Avoided("exported, or cached", ("converted", "conversion")),
    Avoided("vectors", ("numbers",), ("index",)),
)


def _files() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            yield path.relative_to(REPOSITORY)


def _room(file: Path) -> str:
    """Return the folder that a file lies in, two levels deep at most."""
    return "/".join(file.parent.parts[:2])


ROOMS = sorted({_room(file) for file in _files()})


def _names(file: Path) -> Iterator[tuple[int, str]]:
    """Return the line and text of each identifier, the modules of an import left out."""
    yield from ((0, part) for part in (*file.parent.parts, file.stem))
    first, in_module = True, False
    with (REPOSITORY / file).open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type == tokenize.NAME:
                if token.string in ("from", "import"):
                    in_module = first
                elif not in_module:
                    yield token.start[0], token.string
            if token.type not in (tokenize.INDENT, tokenize.DEDENT, tokenize.NL, tokenize.COMMENT):
                first = token.type in (tokenize.NEWLINE, tokenize.ENCODING)
                in_module = in_module and not first


def _parts(name: str) -> set[str]:
    return {part.lower() for part in PART.findall(name)}


def _plain(name: str) -> str:
    return name.strip("_").lower()


def _is_in(file: Path, folders: tuple[str, ...]) -> bool:
    return any(file.is_relative_to(folder) for folder in folders)


def _found() -> dict[str, dict[str, str]]:
    """Return the identifiers to rename by room: `file:line name` and what to say."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for file in _files():
        rules = [rule for rule in AVOIDED if _is_in(file, rule.packages)]
        for line, name in _names(file):
            for rule in rules if not keyword.iskeyword(name) else ():
                if _parts(name) & set(rule.words) and _plain(name) not in rule.except_for:
                    found[_room(file)][f"{file}:{line} {name}"] = rule.say
    return found


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, str]]:
    """All identifiers to rename."""
    return _found()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_uses_the_words_of_the_glossary(room: str, found: dict[str, dict[str, str]]) -> None:
    assert not found.get(room)


@pytest.mark.parametrize("word", sorted({word for rule in AVOIDED for word in rule.words}))
def test_a_word_to_avoid_is_found_where_it_is_used(word: str) -> None:
    for name in (word, f"_{word}_1", f"the_{word}", f"The{word.title()}Of", word.upper()):
        assert word in _parts(name)
    assert word not in _parts(f"{word}x")


def test_exceptions_are_used() -> None:
    used = {_plain(name) for file in _files() for _, name in _names(file)}
    for rule in AVOIDED:
        assert set(rule.except_for) <= used


@pytest.mark.parametrize("rule", AVOIDED, ids=lambda rule: rule.say)
def test_the_glossary_explains_what_to_say(rule: Avoided) -> None:
    glossary = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8").lower()
    said = re.split(r", or | or |, ", rule.say.lower())
    assert all(word.removesuffix("ed").removesuffix("s") in glossary for word in said)


if __name__ == "__main__":
    for each, names in sorted(_found().items()):
        print(f"{each}: {len(names)}")
        print("".join(f"    {name} -> {say}\n" for name, say in names.items()), end="")
