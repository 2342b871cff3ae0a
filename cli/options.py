"""Options that several commands share, and how they become an engine."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
Force = Annotated[bool, typer.Option("--force", help="Write over files that exist.")]


def parse_size(text: str) -> int:
    """Return the bytes that a person writes as 500M, 4G or 2.5GB.

    Raises
    ------
    UsageError
        It is no size.
    """
    from fractions import Fraction

    from engine.errors import UsageError

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
    from engine.config import require_number
    from engine.engine import Engine

    # Pillow comments on odd metadata; what matters about a picture the engine reports itself.
    warnings.filterwarnings("ignore", module=r"PIL\..*")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)

    megapixels, size = settings.pop("max_megapixels", None), settings.pop("max_file_size", None)
    if megapixels is not None:
        require_number("--max-megapixels", megapixels, 1e-6)
        settings["max_pixels"] = int(megapixels * 1e6)
    if size is not None:
        settings["max_file_bytes"] = parse_size(size)
    given = {name: value for name, value in settings.items() if value is not None}
    with (
        closing(ConsoleReporter()) as reporter,
        Engine.open(store, reporter=reporter, **given) as engine,
    ):
        yield engine
