"""Options that several commands share, and how they become an engine."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.engine import Engine

Store = Annotated[
    # Text: a path would take a slash from a URL.
    str | None,
    typer.Option(
        "--store",
        metavar="DIR|URL",
        help="Folder of catalog and index, or a database: postgresql://user@host/name. Default: "
        "$ENGINE_STORE, else the nearest .engine/ upward, else ./.engine/.",
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
def open_engine(store: str | Path | None, **settings: Any) -> Iterator[Engine]:
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
