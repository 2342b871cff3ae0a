"""Options: dataclass fields that say what they are, once, for the command line and for Python.

A field is annotated with its type and an `Option`:

    epochs: Annotated[int, Option("At most so many epochs.", minimum=1)] = 60

`check_options`, called by the dataclass's `__post_init__`, refuses what is no such value.
`cli.options.takes_options` makes a typer parameter of each field that has help. Nothing here
imports more than the standard library, so that `--help` stays fast.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from numbers import Integral, Real
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from engine.errors import UsageError

SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of an option beside its type and its default.

    Attributes
    ----------
    help
        For people; an option without is not on the command line.
    minimum, maximum
        The least and the largest number, themselves included; None for any finite one.
    choices
        The texts it may be; none for any text.
    names
        On the command line, aliases last; by default `--` and the field's name.
    metavar
        What stands for the value in `--help`; by default the type.
    written
        How the default is written on the command line, where that is not how Python writes it.
    shown
        What `--help` says of a default that cannot be written.
    unit
        `seconds` for a time that the command line takes as 90s, 5m or 1h.
    """

    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    metavar: str | None = None
    written: str | None = None
    shown: str | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class OptionField:
    """A field of a dataclass of options.

    Attributes
    ----------
    name
        Of the field.
    kind
        `int`, `float`, `bool` or `str`.
    several
        The value is a tuple of such.
    optional
        None is a value, too.
    default
        `dataclasses.MISSING` where a value must be given.
    option
        What else is known of it.
    """

    name: str
    kind: type
    several: bool
    optional: bool
    default: Any
    option: Option


@cache
def option_fields(options: type[Any]) -> tuple[OptionField, ...]:
    """Return the fields of a dataclass that are annotated with an `Option`, in order."""
    hints = get_type_hints(options, include_extras=True)
    found = []
    for each in fields(options):
        if get_origin(hints[each.name]) is not Annotated:
            continue
        type_, option = get_args(hints[each.name])
        parts = get_args(type_) or (type_,)
        several, optional = parts[-1] is Ellipsis, NoneType in parts
        found.append(OptionField(each.name, parts[0], several, optional, each.default, option))
    return tuple(found)


def check_options(options: Any) -> None:
    """Refuse values that an option cannot have; turn others into exactly the type of their field.

    Raises
    ------
    UsageError
        A number is out of its range, NaN, infinite or no whole one; a text is no choice; or a
        value is of another type.
    """
    for field in option_fields(options.__class__):
        value = getattr(options, field.name)
        if value is not None or not field.optional:
            # The dataclasses are frozen for everyone else.
            object.__setattr__(options, field.name, _checked(field, value))


def _checked(field: OptionField, value: Any) -> Any:
    if not field.several:
        return _checked_one(field, value)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise UsageError(f"{field.name} {value!r}", "it is no list", "Give a tuple")
    return tuple(_checked_one(field, each) for each in value)


def _checked_one(field: OptionField, value: Any) -> Any:
    kind, option = field.kind, field.option
    # To Python a truth value is a number, too.
    if not isinstance(value, _ABSTRACT[kind]) or (isinstance(value, bool) and kind is not bool):
        wanted = _KINDS[kind]
        raise UsageError(f"{field.name} {value!r}", f"it is not {wanted}", f"Give {wanted}")
    if option.choices and value not in option.choices:
        remedy = f"Use {', '.join(option.choices)}"
        raise UsageError(f"{field.name} {value!r}", "it is unknown", remedy)
    typed = kind(value)
    if kind in (int, float) and not _in_range(option, typed):
        raise UsageError(f"{field.name} {value}", "it is out of range", f"Use {_range(option)}")
    return typed


def _in_range(option: Option, number: float) -> bool:
    least = -math.inf if option.minimum is None else option.minimum
    most = math.inf if option.maximum is None else option.maximum
    return least <= number <= most and (isinstance(number, int) or math.isfinite(number))


def _range(option: Option) -> str:
    if option.minimum is None or option.maximum is None:
        return "a finite number" if option.minimum is None else f"{option.minimum:g} or more"
    return f"{option.minimum:g} to {option.maximum:g}"


_ABSTRACT: Mapping[type, type] = {int: Integral, float: Real, bool: bool, str: str}
_KINDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}
