"""Words in texts: which of them a text has, by one rule for every database.

A word is a run of letters and digits. It is in a text where a word of the text begins with it,
whatever the case: `chair` is in `Chairs/IMG-01.jpg`, and `ant` is not in `elephant.jpg`. One that
begins with a letter of a script without capitals is found anywhere: some of these write no spaces.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from index.names import composed

_WORD = re.compile(r"[^\W_]+")
# Nothing that belongs to a word stands before it.
_BEGIN = r"(?<![^\W_])"


def words_of(text: str) -> list[str]:
    """Return the words of a text, in order."""
    return _WORD.findall(composed(text))


def has_words(wanted: str, texts: Sequence[str]) -> bool:
    """Say whether each word of `wanted` is in one of some texts, however Unicode writes either."""
    there = [composed(text) for text in texts]
    return all(any(pattern.search(text) for text in there) for pattern in _patterns(wanted))


@lru_cache
def _patterns(wanted: str) -> list[re.Pattern[str]]:
    return [
        re.compile(f"{_BEGIN if _has_spaces(word) else ''}{re.escape(word)}", re.IGNORECASE)
        for word in words_of(wanted)
    ]


def _has_spaces(word: str) -> bool:
    """Say whether a word is of a script whose words stand apart."""
    return word[0].isdigit() or word[0].lower() != word[0].upper()
