"""`engine suspects`: find pictures whose label is doubted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Backbone,
    Csv,
    DecodeSeconds,
    Failed,
    Force,
    Json,
    MaxFileSize,
    MaxMegapixels,
    Null,
    Paths,
    Precision,
    Runtime,
    Store,
    open_engine,
    require_one_form,
)
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.learning.results import SuspectReport

EXAMPLES = """Examples:

engine suspects

engine suspects --head furniture --html suspects.html

engine suspects ./photos -k 20 --json
"""
COLUMNS = ("margin", "label", "probability", "suggestion", "its probability", "path")


def command(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATASET",
            help="A folder with one folder per label, instead of what the store knows.",
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            "--head", metavar="NAME", help="Look at what this head has learned from, and as what."
        ),
    ] = None,
    label: Annotated[
        bool,
        typer.Option(
            "--label",
            help="Look at the labels of the catalog; so it is where nothing else is named.",
        ),
    ] = False,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="How many to list.", show_default="all that are doubted"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List pictures whose label is not doubted, too.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write a page with the pictures."),
    ] = None,
    force: Force = False,
    paths: Paths = False,
    null: Null = False,
    csv: Csv = False,
    backbone: Backbone = None,
    precision: Precision = None,
    runtime: Runtime = "auto",
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    decode_seconds: DecodeSeconds = 60.0,
    failed: Failed = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Find pictures whose label is less likely than another category.

    Each picture is judged by layers that were trained on other pictures, and on none of its copies.
    The margin is the probability of the likeliest other category less that of the label, and those
    with the largest come first: a person should look at them. Nothing is changed.
    """
    from cli.failures import failures_named, tell_failures
    from cli.render import say

    require_one_form(json=json, csv=csv, paths=paths, null=null)
    named = {"DATASET": dataset is not None, "--head": head is not None, "--label": label}
    if sum(named.values()) > 1:
        raise UsageError(
            " and ".join(name for name, given in named.items() if given),
            "the labels of one place are looked at",
            "Leave out all of them but one",
        )
    if html is not None:
        from cli.pages.html import require_page_file

        require_page_file(html, force=force)
    settings = {
        "backbone": backbone,
        "precision": precision,
        "runtime": runtime,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
        "decode_seconds": decode_seconds,
    }
    with failures_named(failed, force=force), open_engine(store, **settings) as engine:
        report = engine.suspects(dataset, head=head, k=k, doubted=not everything)
    if html is not None:
        from cli.pages.gallery import write_suspects_page

        write_suspects_page(report, html, force=force)
        say(f"wrote {html}")
    if not json:
        for line in (*report.notes, _summary(report)):
            say(line)
    _write(report, json=json, paths=paths, null=null, csv=csv)
    return tell_failures(report.skipped, failed)


def _summary(report: SuspectReport) -> str:
    listed = f", {len(report)} are listed" if len(report) != report.doubted else ""
    left_out = f"; {report.left_out} more could not be judged" if report.left_out else ""
    return f"{report.doubted} of {report.images} labels are doubted{listed}{left_out}"


def _write(report: SuspectReport, *, json: bool, paths: bool, null: bool, csv: bool) -> None:
    from cli.render import write_csv, write_json, write_paths, write_table

    rows = [
        (
            each.margin,
            each.label,
            each.probability,
            each.suggestion,
            each.suggestion_probability,
            each.path,
        )
        for each in report
    ]
    if json:
        write_json(report.suspects)
    elif paths or null:
        write_paths((each.path for each in report), null=null)
    elif csv:
        write_csv(COLUMNS, rows)
    elif rows:
        write_table(COLUMNS, rows)
