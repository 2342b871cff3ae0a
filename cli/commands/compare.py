"""`engine compare`: is transfer learning worth it on these pictures?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.option_fields import takes_options
from cli.options import (
    DecodeSeconds,
    Failed,
    Force,
    Json,
    MaxFileSize,
    MaxMegapixels,
    MinImages,
    open_engine,
)
from engine.learning.compare.options import CompareOptions

if TYPE_CHECKING:
    from engine.learning.results import Comparison

EXAMPLES = """Examples:

engine compare ./photos

engine compare ./photos --budget 5m --finetune-from block6

engine compare ./photos --html compared.html

engine compare ./photos --backbones efficientnet_lite0,resnet50 --repeats 5 --json
"""


@takes_options(CompareOptions)
def command(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="A folder with one folder per category.")
    ],
    *,
    options: CompareOptions,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Also write a page with plots (needs `pip install 'image-engine[report]'`).",
        ),
    ] = None,
    force: Force = False,
    min_images: MinImages = 0,
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    decode_seconds: DecodeSeconds = 60.0,
    failed: Failed = None,
    json: Json = False,
) -> int:
    """Compare networks trained from scratch with frozen and fine-tuned backbones.

    All learn from the same pictures and are tested on the same others, several times. Test pictures
    take no part in anything else. Nothing is written to any store.
    """
    from cli.failures import failures_named, tell_failures

    if html is not None:
        from cli.pages.html import require_page_file
        from cli.pages.plots import require_matplotlib

        # Minutes of learning would be lost if that came out at the end.
        require_matplotlib("--html")
        require_page_file(html, force=force)
    settings = {
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
        "decode_seconds": decode_seconds,
    }
    with failures_named(failed, force=force), open_engine(None, **settings) as engine:
        comparison = engine.compare(dataset, options=options, min_images=min_images)
    _answer(comparison, html, force, json)
    return tell_failures(comparison.skipped, failed)


def _answer(comparison: Comparison, html: Path | None, force: bool, json: bool) -> None:
    from cli.pages.compare import HEADINGS, method_row, write_compare_page
    from cli.render import say, tell, write_json, write_table

    if json:
        write_json(comparison)
    else:
        for note in comparison.notes:
            say(note)
        write_table(HEADINGS, map(method_row, comparison.methods))
        tell(
            f"{comparison.images} images of {len(comparison.categories)} categories, "
            f"{comparison.rounds} splits, {comparison.seconds:.0f} s"
        )
    if html is not None:
        # Last, so that a page that cannot be written costs nothing but itself.
        write_compare_page(comparison, html, force=force)
        say(f"wrote {html}")
