"""The names of categories embedded, once for each encoder: a folder of the cache.

<cache>/text/<key>/
    names.json        the names, and what was embedded of each
    embeddings.npy    unit vectors float32 [n, dim]
    checksums.json    size and CRC-32 of both

The key is a SHA-256 over the encoder's files and the categories, so that nothing of a folder is
ever out of date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.progress import Reporter
from engine.runtimes.model_cache import is_sound, write_folder
from engine.search.text.encoder import TextEncoder
from engine.search.text.names import CategoryName, spoken
from index.records import Floats

NAMES, EMBEDDINGS = "names.json", "embeddings.npy"
FILES = (NAMES, EMBEDDINGS)
# Part of the key: another one when what is embedded of a category changes.
VERSION = "1"
# More names than these take seconds, which is told.
MANY = 200


@dataclass(frozen=True, eq=False)
class NamedCategories:
    """Categories by their names.

    Attributes
    ----------
    names
        One for each category.
    embeddings
        What an encoder makes of them, unit vectors float32 `[n, dim]`.
    """

    names: tuple[CategoryName, ...]
    embeddings: Floats

    def called(self, text: str) -> list[int]:
        """Return the positions of the categories that have a text for a name."""
        return self._called.get(spoken(text), [])

    @cached_property
    def _called(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for position, each in enumerate(self.names):
            for name in set(map(spoken, each.names)):
                found.setdefault(name, []).append(position)
        return found


def named_categories(
    encoder: TextEncoder,
    cache: Path,
    categories: Sequence[str],
    names_of: Callable[[Sequence[str]], list[CategoryName]],
    reporter: Reporter,
) -> NamedCategories:
    """Return categories by their names, from the cache where they are there.

    Parameters
    ----------
    cache
        The folder in which `text/` lies; one that cannot be written costs time only.
    names_of
        Returns the names of categories; asked where they are not in the cache.
    """
    facts = [VERSION, names_of.__name__, encoder.key, *categories]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    folder = cache / "text" / key[:32]
    if is_sound(folder, FILES):
        return _read(folder)
    names = tuple(names_of(categories))
    if len(names) >= MANY:
        reporter.announce(f"embedding the names of {len(names)} categories, once")
    made = NamedCategories(names, encoder.embed([each.text for each in names]))
    # What cannot be kept is made anew next time.
    with suppress(EngineError):
        write_folder(folder, FILES, lambda target: _write(made, target))
    return made


def _read(folder: Path) -> NamedCategories:
    listed = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    names = tuple(CategoryName(tuple(each["names"]), each["text"]) for each in listed)
    return NamedCategories(names, np.load(folder / EMBEDDINGS, allow_pickle=False))


def _write(made: NamedCategories, folder: Path) -> None:
    text = json.dumps([asdict(each) for each in made.names])
    (folder / NAMES).write_text(text, encoding="utf-8")
    np.save(folder / EMBEDDINGS, made.embeddings, allow_pickle=False)
