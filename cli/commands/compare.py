"""`engine compare`: is transfer learning worth it on these pictures?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Force, Json, MaxFileSize, MaxMegapixels, open_engine

if TYPE_CHECKING:
    from engine.learning.results import Comparison

EXAMPLES = """Examples:

engine compare ./photos

engine compare ./photos --budget 5m --finetune-from block6

engine compare ./photos --html compared.html

engine compare ./photos --backbones efficientnet_lite0,resnet50 --repeats 5 --json
"""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def command(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="A folder with one folder per category.")
    ],
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="Splits that every method learns from.")
    ] = 3,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="TIME",
            help="About how long it may take, such as 90s, 5m or 1h.",
            show_default="as long as it takes",
        ),
    ] = None,
    backbones: Annotated[
        str | None,
        typer.Option(
            "--backbones",
            metavar="NAME,...",
            help="Frozen backbones to compare.",
            show_default="all whose weights are on this machine",
        ),
    ] = None,
    finetune_from: Annotated[
        str | None,
        typer.Option(
            "--finetune-from",
            metavar="BLOCK",
            help="Also fine-tune the first of the backbones from this block on.",
            show_default="nothing is fine-tuned",
        ),
    ] = None,
    test: Annotated[
        float, typer.Option("--test", min=0.05, max=0.9, help="Share of pictures to test on.")
    ] = 0.25,
    scratch_epochs: Annotated[
        int, typer.Option("--scratch-epochs", min=1, help="Passes of the networks from scratch.")
    ] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed: the same splits.")] = 0,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Also write a page with plots (needs `pip install 'image-engine[report]'`).",
        ),
    ] = None,
    force: Force = False,
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    json: Json = False,
) -> int:
    """Compare networks trained from scratch with frozen and fine-tuned backbones.

    All learn from the same pictures and are tested on the same others, several times. Nothing is
    written to any store.
    """
    if html is not None:
        from cli.pages.html import require_page_file
        from cli.pages.plots import require_matplotlib

        # Minutes of learning would be lost if that came out at the end.
        require_matplotlib("--html")
        require_page_file(html, force=force)
    with open_engine(None, max_megapixels=max_megapixels, max_file_size=max_file_size) as engine:
        from engine.learning.compare.options import CompareOptions

        options = CompareOptions(
            repeats=repeats,
            test=test,
            budget=parse_seconds(budget) if budget else None,
            backbones=tuple(part.strip() for part in backbones.split(",")) if backbones else (),
            block=finetune_from,
            scratch_epochs=scratch_epochs,
            seed=seed,
        )
        comparison = engine.compare(dataset, options=options)
    return _answer(comparison, html, force, json)


def _answer(comparison: Comparison, html: Path | None, force: bool, json: bool) -> int:
    from cli.pages.compare import HEADINGS, method_row, write_compare_page
    from cli.render import say, tell_skips, write, write_json, write_table

    if json:
        write_json(comparison)
    else:
        write_table(HEADINGS, map(method_row, comparison.methods))
        write(
            f"{comparison.images} images of {len(comparison.categories)} categories, "
            f"{comparison.rounds} splits, {comparison.seconds:.0f} s\n"
        )
    if html is not None:
        # Last, so that a page that cannot be written costs nothing but itself.
        write_compare_page(comparison, html, force=force)
        say(f"wrote {html}")
    return tell_skips(comparison.skipped)


def parse_seconds(text: str) -> float:
    """Return the seconds that a person writes as 90, 90s, 5m or 1.5h.

    Raises
    ------
    UsageError
        It is no time.
    """
    from engine.errors import UsageError

    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text, re.IGNORECASE)
    if match is None or not float(match[1]):
        raise UsageError(text, "this is no time", "Write for example 90s, 5m or 1h")
    return float(match[1]) * _UNITS[match[2].lower()]
