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
    """Tell how good a head is, measured on test images, and how it came to be.

    All of it was stored in the head when it was trained: neither the pictures nor the backbone are
    needed. Pictures that are still where they were are shown on the page.
    """
    from cli.render import say, write_json

    if html is not None:
        from cli.pages.html import require_page_file
        from cli.pages.plots import require_matplotlib

        require_matplotlib("--html")
        require_page_file(html, force=force)
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
    from cli.render import against_baseline, percent, tell, write_table

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
                report.unknown_per_category.get(name),
            )
        )
    write_table(("category", "learned", "tested", "precision", "recall", "unknown"), rows)
    if report.test_images:
        balanced, baseline = percent(report.balanced_accuracy), percent(report.majority_baseline)
        tell(
            f"accuracy {percent(report.accuracy)} on {report.test_images} test images "
            f"({measured(report)}), {report.unknown} of them unknown, "
            f"calibration error {percent(report.metrics.get('calibration_error'))}",
            against_baseline(balanced, baseline),
        )
    else:
        tell(f"accuracy {percent(report.metrics.get('validation_accuracy'))}")
    for missing in report.missing:
        tell(f"not known: {missing}")


def measured(report: HeadReport) -> str:
    """Return how a head was measured, in a few words."""
    if not report.honest:
        return "which had also stopped the training and calibrated it"
    if report.folds > 1:
        return f"cross-fitted in {report.folds} folds"
    return "which had served for nothing else"
