"""Values of a head file's JSON header, each insisted to be of its kind."""

from __future__ import annotations

from typing import Any


def text_of(value: object) -> str:
    """Return a text.

    Raises
    ------
    TypeError
        It is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def number_of(value: object) -> float:
    """Return a number; True and False are none.

    Raises
    ------
    TypeError
        It is none.
    OverflowError
        It is larger than any float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.40} is no number")
    return float(value)


def texts_of(value: object) -> tuple[str, ...]:
    """Return a list of texts.

    Raises
    ------
    TypeError
        It is none.
    """
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} is no list")
    return tuple(map(text_of, value))


def table_of(value: object) -> dict[str, Any]:
    """Return a table of facts by name.

    Raises
    ------
    TypeError
        It is none.
    """
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.40} is no table")
    return value


def numbers_of(value: object) -> dict[str, float]:
    """Return a table of numbers.

    Raises
    ------
    TypeError
        It is none.
    OverflowError
        One is larger than any float.
    """
    return {name: number_of(each) for name, each in table_of(value).items()}


def count_of(value: object, most: int) -> int:
    """Return a whole number from 1 to `most`.

    Raises
    ------
    TypeError, ValueError
        It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r:.40} is no whole number")
    if not 1 <= value <= most:
        raise ValueError("a number in it is out of range")
    return value
