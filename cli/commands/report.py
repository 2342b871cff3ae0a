"""`engine report`: how good a head is, and how it came to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Force, Json, Store, open_engine

if TYPE_CHECKING:
    from engine.learning.results import HeadReport

EXAMPLES = """Examples:

engine report furniture

engine report furniture --html furniture.html

engine report furniture --json
"""


def command(
    head: Annotated[str, typer.Argument(metavar="HEAD", help="A head's name.")],
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Also write a page with plots and pictures "
            "(needs `pip install 'image-engine[report]'`).",
        ),
    ] = None,
    force: Force = False,
    store: Store = None,
    json: Json = False,
) -> int:
    """Tell how good a head is, on pictures that it had not seen, and how it came to be.

    All of it is kept in the head since its training: neither the pictures nor the backbone are
    needed. Pictures that are still where they were are shown on the page.
    """
    from cli.render import say, write_json

    if html is not None:
        from cli.pages.plots import require_matplotlib

        require_matplotlib("--html")
    with open_engine(store) as engine:
        report = engine.report(head)
    if html is not None:
        from cli.pages.report import write_report_page

        write_report_page(report, html, force=force)
        say(f"wrote {html}")
    if json:
        write_json(report)
    else:
        _write(report)
    return 0


def _write(report: HeadReport) -> None:
    from cli.render import percent, write, write_table

    rows = []
    for name in report.categories:
        score = report.per_category.get(name)
        rows.append(
            (
                name,
                report.learned.get(name),
                score.images if score else None,
                percent(score.precision if score else None),
                percent(score.recall if score else None),
            )
        )
    write_table(("category", "learned", "held out", "precision", "recall"), rows)
    metrics = report.metrics
    if report.held_out:
        write(
            f"accuracy {percent(metrics.get('validation_accuracy'))}, "
            f"{report.unknown} of {report.held_out} held-out images unknown, "
            f"calibration error {percent(metrics.get('calibration_error'))}\n"
        )
    else:
        write(f"accuracy {percent(metrics.get('validation_accuracy'))}\n")
    for missing in report.missing:
        write(f"not known: {missing}\n")
