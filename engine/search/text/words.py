"""What texts are understood as: vectors among the embeddings of pictures.

A backbone that was trained with a text tower of its own would answer here in place of ConSE:
whatever turns texts into `TextVector`s is a `TextTower`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.errors import UsageError
from engine.progress import Reporter
from engine.search.results import Understood
from engine.search.text.conse import LIMITS, Combination, ConseLimits, combination, directions
from engine.search.text.encoder import TextEncoder
from engine.search.text.name_embeddings import NamedCategories, named_categories
from engine.search.text.names import CategoryName, built_in_names, plain_names
from index.names import same_name
from index.records import Floats

if TYPE_CHECKING:
    from engine.embedding.embedder import Embedder
    from engine.heads.classifier import BuiltIn
    from engine.heads.head import Head

LONGEST_TEXT = 1000
# Categories that are told have such a share, and there are no more of them.
TOLD_SHARE, MOST_TOLD = 0.1, 5
# Nobody has more heads than are trained in a day.
REMEMBERED = 64

_NamesOf = Callable[[Sequence[str]], list[CategoryName]]


@dataclass(frozen=True, slots=True, eq=False)
class TextVector:
    """A text and where it points.

    Attributes
    ----------
    understood
        What it was taken for.
    unit
        A unit vector float32 `[dim]`; None where it was not understood.
    """

    understood: Understood
    unit: Floats | None


class RecentTower:
    """The text tower of the backbone that was asked last; any number of threads may ask.

    Parameters
    ----------
    encoder
        For backbones that have no tower of their own.
    """

    def __init__(self, encoder: TextEncoder | None = None) -> None:
        self._encoder = encoder or TextEncoder()
        self._made: tuple[str, TextTower] | None = None
        self._making = Lock()

    def of(self, embedder: Embedder) -> TextTower:
        """Return the tower of an embedder's backbone.

        Raises
        ------
        UsageError
            What encodes text is not installed.
        WeightsCorruptError
            Its files are not what they should be.
        """
        with self._making:
            if self._made is None or self._made[0] != embedder.fingerprint:
                cache, reporter = embedder.config.cache, embedder.reporter
                tower = ConseTower(self._encoder, embedder.built_in, cache, reporter)
                self._made = embedder.fingerprint, tower
            return self._made[1]


class TextTower(Protocol):
    """Turns texts into vectors among the embeddings of a backbone."""

    def vectors(self, texts: Sequence[str], heads: Sequence[Head]) -> list[TextVector]:
        """Return one vector for each text.

        Parameters
        ----------
        heads
            Of the catalog, whose categories are understood, too.
        """


class ConseTower:
    """Texts by way of the names of categories: the built-in ones and those of heads.

    Parameters
    ----------
    encoder
        Of texts.
    built_in
        The backbone's own categories.
    cache
        Where embedded names are kept.
    reporter
        Hears what takes long.
    limits
        How categories are combined, and when a text is understood.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        built_in: BuiltIn,
        cache: Path,
        reporter: Reporter,
        limits: ConseLimits = LIMITS,
    ) -> None:
        self._encoder = encoder
        self._cache = cache
        self._reporter = reporter
        self._limits = limits
        self._mean = built_in.layer.weight.mean(axis=0)
        self._directions = directions(built_in.layer.weight, self._mean)
        self._built_in = self._named(built_in.categories, built_in_names)
        self._of_head = lru_cache(REMEMBERED)(
            lambda categories: self._named(categories, plain_names)
        )

    def vectors(self, texts: Sequence[str], heads: Sequence[Head]) -> list[TextVector]:
        """Return one vector for each text.

        A text that is a category's name, whatever the case, is like it by 1, and like others as
        the encoder says. The direction of a head's category is that of its row of the head's gate,
        which is of the same space as the classifier's rows.
        """
        named = [self._built_in, *(self._of_head(head.categories) for head in heads)]
        rows = [directions(head.gate.weight, self._mean) for head in heads]
        all_directions = np.concatenate([self._directions, *rows])
        embeddings = np.concatenate([some.embeddings for some in named])
        similarities = np.minimum(self._encoder.embed(texts) @ embeddings.T, 1)
        answers = []
        for text, row in zip(texts, similarities, strict=True):
            row[_called(named, text)] = 1
            found = combination(row, self._limits)
            clear = found.similarity >= self._limits.understood
            told = _told(found, named) if clear else ()
            understood = Understood(text, told, round(found.similarity, 4))
            answers.append(TextVector(understood, found.vector(all_directions) if clear else None))
        return answers

    def _named(self, categories: Sequence[str], names_of: _NamesOf) -> NamedCategories:
        return named_categories(self._encoder, self._cache, categories, names_of, self._reporter)


def _called(named: Sequence[NamedCategories], text: str) -> list[int]:
    """Return the positions of categories, among all of them, that have a text for a name."""
    starts = accumulate((len(some.names) for some in named), initial=0)
    return [
        start + row for start, some in zip(starts, named, strict=False) for row in some.called(text)
    ]


def _told(found: Combination, named: Sequence[NamedCategories]) -> tuple[str, ...]:
    """Return the categories that a text was mostly taken for, each once."""
    names = [name for some in named for name in some.names]
    told: dict[str, str] = {}
    for position, weight in zip(found.positions.tolist(), found.weights.tolist(), strict=True):
        if (weight >= TOLD_SHARE or not told) and len(told) < MOST_TOLD:
            name = names[position].names[0]
            told.setdefault(same_name(name), name)
    return tuple(told.values())


def checked_texts(texts: str | Sequence[str], name: str) -> tuple[str, ...]:
    """Return one or several texts as they are searched for.

    Parameters
    ----------
    name
        Of the option, for the error.

    Raises
    ------
    UsageError
        One is no text, has nothing in it, or is longer than a name or a sentence.
    """
    several = (texts,) if isinstance(texts, str) else tuple(texts)
    for text in several:
        if not isinstance(text, str):
            raise UsageError(name, f"{type(text).__name__} is no text", "Give words")
        if not text.strip():
            raise UsageError(name, "there is no word in it", f"Write for example {name} sofa")
        if len(text) > LONGEST_TEXT:
            remedy = "Say in a few words what pictures show"
            raise UsageError(name, f"it has more than {LONGEST_TEXT} characters", remedy)
        if any("\ud800" <= each <= "\udfff" for each in text):
            raise UsageError(name, "it has bytes that are no UTF-8", "Write it as UTF-8")
    return tuple(text.strip() for text in several)
