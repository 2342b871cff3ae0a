"""Options that several commands share, and how they become an engine."""

from __future__ import annotations

import inspect
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import MISSING
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import UsageError
from engine.options import SECONDS, OptionField, option_fields

if TYPE_CHECKING:
    from engine.engine import Engine

Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Folder of catalog and index. Default: $ENGINE_STORE, else the nearest .engine/ "
        "upward, else ./.engine/.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV, for a spreadsheet.")]
Paths = Annotated[bool, typer.Option("--paths", help="Print paths alone, one on a line.")]
Null = Annotated[
    bool, typer.Option("--null", "-0", help="With --paths: end each with NUL, for xargs -0.")
]
Backbone = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        metavar="NAME",
        help="auto, or a name that `engine backbones` lists. A catalog that exists keeps its own.",
        show_default="auto",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="P",
        help="fp32, bf16, or int8: fastest, made for a new catalog with its own pictures.",
        show_default="the catalog's, else bf16 where the processor has it, else fp32",
    ),
]
Runtime = Annotated[
    str,
    typer.Option("--runtime", metavar="NAME", help="auto, openvino (CPU) or torch (GPU)."),
]
MaxMegapixels = Annotated[
    float,
    typer.Option(
        "--max-megapixels",
        metavar="N",
        help="Skip pictures with more pixels: a guard against decompression bombs.",
    ),
]
MaxFileSize = Annotated[
    str | None,
    typer.Option(
        "--max-file-size",
        metavar="SIZE",
        help="Skip larger files unread; write for example 500M or 4G.",
        show_default="1G",
    ),
]
NoUrls = Annotated[
    bool,
    typer.Option(
        "--no-urls",
        help="Refuse pictures named by a URL; $ENGINE_NO_URLS does so for every command.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        metavar="N",
        help="Cores to decode and compute on.",
        show_default="all that a container leaves",
    ),
]
DecodeMemory = Annotated[
    str | None,
    typer.Option(
        "--decode-memory",
        metavar="SIZE",
        help="What pictures may take while they are read and decoded, all together.",
        show_default="a quarter of the memory",
    ),
]
DecodeSeconds = Annotated[
    float,
    typer.Option(
        "--decode-seconds",
        metavar="N",
        help="Skip pictures that take longer to decode.",
    ),
]
Crop = Annotated[
    str | None,
    typer.Option(
        "--crop",
        metavar="X,Y,W,H",
        help="Look at this part of a picture alone: its left, top, width and height in pixels, or "
        "in fractions where none is above 1.",
    ),
]
MinImages = Annotated[
    int,
    typer.Option(
        "--min-images",
        metavar="N",
        min=0,
        help="Leave out categories with fewer pictures.",
        show_default="a category with fewer than two is an error",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that exist.")]
Failed = Annotated[
    Path | None,
    typer.Option(
        "--failed",
        metavar="FILE",
        help="Also write everything that was skipped to a new CSV file: path, reason, remedy, "
        "format.",
    ),
]


def require_one_form(
    *, json: bool, csv: bool = False, paths: bool = False, null: bool = False
) -> None:
    """Insist that an answer is asked for in one form; --null goes with --paths, or stands for it.

    Raises
    ------
    UsageError
        Two options each ask for a form of their own.
    """
    lines = "--paths" if paths else "--null"
    forms = {"--json": json, "--csv": csv, lines: paths or null}
    given = [name for name, asked in forms.items() if asked]
    if len(given) > 1:
        raise UsageError(
            " and ".join(given), "an answer has one form", "Leave out all of them but one"
        )


def parse_size(text: str) -> int:
    """Return the bytes that a person writes as 500M, 4G or 2.5GB.

    Raises
    ------
    UsageError
        It is no size.
    """
    from fractions import Fraction

    match = re.fullmatch(
        r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE
    )
    if match is not None:
        unit = "BKMGT".index(match[2].upper() or "B")
        size = int(Fraction(match[1]) * (1 << 10 * unit))
        if 0 < size < 2**63:
            return size
    raise UsageError(text, "this is no size", "Write for example 500M or 4G")


def parse_limit(text: str) -> int:
    """Return the bytes of a size, 0 for `none`.

    Raises
    ------
    UsageError
        It is no size.
    """
    if text.strip().lower() == "none":
        return 0
    return parse_size(text)


@contextmanager
def open_engine(store: Path | None, **settings: Any) -> Iterator[Engine]:
    """Open an engine that talks to the terminal; settings that are None take their default."""
    from cli.render import ConsoleReporter
    from engine.config import SHORTEST_SECONDS, UrlLimits, require_number
    from engine.engine import Engine

    # Pillow comments on odd metadata; what matters about a picture the engine reports itself.
    warnings.filterwarnings("ignore", module=r"PIL\..*")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)

    megapixels, size = settings.pop("max_megapixels", None), settings.pop("max_file_size", None)
    if megapixels is not None:
        require_number("--max-megapixels", megapixels, 1e-6)
        settings["max_pixels"] = int(megapixels * 1e6)
    if (seconds := settings.get("decode_seconds")) is not None:
        require_number("--decode-seconds", seconds, SHORTEST_SECONDS)
    if size is not None:
        settings["max_file_bytes"] = parse_size(size)
    if settings.pop("no_urls", False):
        settings["urls"] = UrlLimits(allowed=False)
    if (threads := settings.get("threads")) is not None:
        settings["decoders"] = threads
        _limit_libraries(threads)
    if (memory := settings.pop("decode_memory", None)) is not None:
        settings["decode_bytes"] = parse_size(memory)
    given = {name: value for name, value in settings.items() if value is not None}
    with (
        closing(ConsoleReporter()) as reporter,
        Engine.open(store, reporter=reporter, **given) as engine,
    ):
        yield engine


def _limit_libraries(threads: int) -> None:
    """Let libraries that are not imported yet use so many threads each."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


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
