"""Options of a command that are the fields of a dataclass, written once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING
from functools import wraps
from typing import Annotated, Any

import typer

from engine.errors import UsageError
from engine.options import SECONDS, OptionField, option_fields

# The parameter by which typer hands over what it knows of a command line.
CONTEXT = "context"


def takes_options(options: type) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return a decorator that gives a command an option for each field of a dataclass.

    They stand where the command's parameter `options` stands, which is given the dataclass. What
    a field says about itself is in `engine.options`. A field `given` is told which were written on
    the command line.
    """
    offered = [each for each in option_fields(options) if each.option.help]
    tells = any(each.name == "given" for each in option_fields(options))

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @wraps(command)
        def with_options(**given: Any) -> int:
            context = given.pop(CONTEXT, None)
            values = {each.name: _value(each, given.pop(each.name)) for each in offered}
            if tells and context is not None:
                values["given"] = tuple(name for name in values if _written_out(context, name))
            return command(**given, options=options(**values))

        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for each in signature.parameters.values():
            parameters += map(_parameter, offered) if each.name == "options" else [each]
        if tells:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter(CONTEXT, kind, annotation=typer.Context))
        # Python has parameters without a default first; that is the order of `--help`, too.
        parameters.sort(key=lambda each: each.default is not each.empty)
        parameters = [each.replace(kind=each.POSITIONAL_OR_KEYWORD) for each in parameters]
        # typer makes a command of a function's signature.
        with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=parameters
        )
        return with_options

    return decorate


def _written_out(context: typer.Context, name: str) -> bool:
    """Say whether a parameter's value was given, and is not its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _parameter(field: OptionField) -> inspect.Parameter:
    """Return what typer makes a field's option of."""
    option, default = field.option, field.default
    flag = f"--{field.name.replace('_', '-')}"
    if field.kind is bool and default is True:
        flag = f"{flag}/--no-{flag[2:]}"
    numeric = field.kind in (int, float) and not _written(field)
    about = typer.Option(
        *(option.names or (flag,)),
        help=option.help,
        metavar=option.metavar,
        show_default=option.shown or True,
        min=option.minimum if numeric else None,
        max=option.maximum if numeric else None,
    )
    kind: Any = str if _written(field) else field.kind
    if field.several or option.written:
        default = option.written
    if default is None:
        kind = kind | None
    empty = inspect.Parameter.empty
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=empty if default is MISSING else default,
        annotation=Annotated[kind, about],
    )


def _written(field: OptionField) -> bool:
    """Say whether people write a field's values in a way that typer does not know."""
    return field.several or field.option.unit == SECONDS


def _value(field: OptionField, given: Any) -> Any:
    """Return the value of a field that a person gave on the command line."""
    if given is None:
        return field.default
    if not _written(field):
        return given
    if field.option.unit == SECONDS:
        return parse_seconds(given)
    if given.strip() in ("", field.option.written):
        return field.default
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if field.kind is int and not all(part.isdecimal() for part in parts):
        name = (field.option.names or (f"--{field.name}",))[0]
        raise UsageError(
            f"{name} {given}", "these are no whole numbers", "Write for example 256,64"
        )
    return tuple(map(field.kind, parts))


def parse_seconds(text: str) -> float:
    """Return the seconds that a person writes as 90, 90s, 5m or 1.5h.

    Raises
    ------
    UsageError
        It is no time.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text, re.IGNORECASE)
    if match is None or not float(match[1]):
        raise UsageError(text, "this is no time", "Write for example 90s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2].lower()]


_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
