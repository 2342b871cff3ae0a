"""`engine search`: find images that look like a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Csv,
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
)

if TYPE_CHECKING:
    from engine.results import SearchReport, Skipped

EXAMPLES = """Examples:

engine search chair.jpg

engine search chair.jpg -k 20 --where label=chair --min-score 0.5

engine search front.jpg side.jpg --html found.html

curl -s https://example.org/sofa.jpg | engine search - --same-category --json
"""
COLUMNS = ("rank", "score", "label", "category", "path")


def command(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            help="A path, an http(s) URL, or - for stdin. Of several, the mean is searched for.",
        ),
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="How many to find.")] = 10,
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score", min=-1.0, max=1.0, metavar="S", help="Leave out less similar ones."
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option("--category", metavar="C", help="Only what the engine says is a C."),
    ] = None,
    same_category: Annotated[
        bool,
        typer.Option("--same-category", help="Classify first, then search within the category."),
    ] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="FIELD=VALUE",
            help="Only images that fit: label, category, path, format (=, !=, ~ for a glob that "
            "ignores case); width, height, size, probability (=, !=, <, <=, >, >=). Repeat to "
            "combine.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write a page with the pictures."),
    ] = None,
    force: Force = False,
    paths: Paths = False,
    null: Null = False,
    csv: Csv = False,
    precision: Precision = None,
    runtime: Runtime = "auto",
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Find the images in the catalog that look most like a picture.

    The score is the cosine similarity of two embeddings: 1 is the same picture.
    """
    from cli.render import say, tell_skips, write_json

    skipped: list[Skipped] = []
    settings = {
        "precision": precision,
        "runtime": runtime,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
    }
    with open_engine(store, **settings) as engine:
        report = engine.search(
            list(images),
            k,
            min_score=min_score,
            category=category,
            same_category=same_category,
            where=where or (),
            skipped=skipped,
        )
    if html is not None:
        from cli.pages.gallery import write_search_page

        write_search_page(report, html, force=force)
        say(f"wrote {html}")
    if same_category and not json:
        say(f"category: {report.category or 'unknown, so the whole catalog was searched'}")
    if not report.results:
        say("nothing found")
    if json:
        write_json([report])
    else:
        _write(report, paths=paths, null=null, csv=csv)
    return tell_skips(skipped)


def _write(report: SearchReport, *, paths: bool, null: bool, csv: bool) -> None:
    from cli.render import write_csv, write_paths, write_table

    hits = report.results
    rows = [(hit.rank, hit.score, hit.label, hit.category, hit.path) for hit in hits]
    if paths or null:
        write_paths((hit.path for hit in hits), null=null)
    elif csv:
        write_csv(COLUMNS, rows)
    elif rows:
        write_table(COLUMNS, rows)
