"""`engine search`: find images that look like a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Crop,
    Csv,
    DecodeSeconds,
    Failed,
    Force,
    Json,
    MaxFileSize,
    MaxMegapixels,
    NoUrls,
    Null,
    Paths,
    Precision,
    Runtime,
    Store,
    open_engine,
    require_one_form,
)

if TYPE_CHECKING:
    from engine.search.results import Hit, SearchReport
    from engine.skipped import Skipped

EXAMPLES = """Examples:

engine search chair.jpg

engine search chair.jpg -k 20 --where label=chair --min-score 0.5

engine search room.jpg --crop 0.5,0.25,0.5,0.75

engine search --text sofa

engine search chair.jpg --text "rocking chair" --not sofa -k 20

engine search front.jpg side.jpg --html found.html

curl -s https://example.org/sofa.jpg | engine search - --same-category --json
"""
COLUMNS = ("score", "label", "category", "path")


def command(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="A path, an http(s) URL, or - for stdin. Of several, the mean is searched for.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            metavar="WORDS",
            help="Search for what these words say, alone or beside pictures. Repeat to combine.",
        ),
    ] = None,
    subtracted: Annotated[
        list[str] | None,
        typer.Option(
            "--not",
            metavar="IMAGE|WORDS",
            help="Take a picture, or what words say, away from the query. Repeat to combine.",
        ),
    ] = None,
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
            "ignores case); text (~ for words in path or label); width, height, size, probability "
            "(=, !=, <, <=, >, >=). Repeat to combine.",
        ),
    ] = None,
    rank: Annotated[
        str,
        typer.Option(
            "--rank",
            metavar="ORDER",
            help="fused: what looks like an image counts, too; plain: by score.",
        ),
    ] = "fused",
    crop: Crop = None,
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
    decode_seconds: DecodeSeconds = 60.0,
    no_urls: NoUrls = False,
    failed: Failed = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Find the images in the catalog that look most like a picture, or like what words say.

    The score is the cosine similarity of two embeddings: 1 is the same picture. The order is
    `fused` by default: images whose own surroundings fit come sooner, so scores need not fall from
    line to line; `rank_score` in JSON is what it is by. Where even the most similar image is unlike
    the picture, a line on stderr says so (`close` in JSON).

    Words are understood by the names of categories, built in or trained; a line on stderr says as
    which (`understood` in JSON). Words that are not understood find nothing.
    """
    from cli.failures import failures_named, tell_failures
    from cli.render import SKIPPED

    require_one_form(json=json, csv=csv, paths=paths, null=null)
    if html is not None:
        from cli.pages.html import require_page_file

        require_page_file(html, force=force)
    skipped: list[Skipped] = []
    settings = {
        "precision": precision,
        "runtime": runtime,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
        "decode_seconds": decode_seconds,
        "no_urls": no_urls,
    }
    with (
        failures_named(failed, skipped, force=force),
        open_engine(store, **settings) as engine,
    ):
        without, without_text = _images_and_words(subtracted or ())
        report = engine.search(
            list(images or ()),
            k,
            text=text or (),
            without=without,
            without_text=without_text,
            min_score=min_score,
            category=category,
            same_category=same_category,
            where=where or (),
            rank=rank,
            crop=crop,
            skipped=skipped,
        )
        damaged = engine.heads.damaged if same_category else []
    if html is not None:
        from cli.pages.gallery import write_search_page
        from cli.render import say

        write_search_page(report, html, force=force)
        say(f"wrote {html}")
    narrowed = bool(category or where or report.category)
    _tell(report, asked_for_category=same_category and not json, narrowed=narrowed)
    _write(report, json=json, paths=paths, null=null, csv=csv)
    return tell_failures(skipped, failed) or (SKIPPED if damaged else 0)


def _images_and_words(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which arguments name pictures, and which are words.

    A picture is what exists, a URL, or `-`; also what can only be meant for a path that does not
    exist, which is then refused as such.
    """
    if not arguments:
        return [], []
    from engine.pictures.formats import EXTENSIONS, extension_of
    from engine.pictures.sources.paths import exists

    named = [
        each == "-" or exists(each) or os.sep in each or extension_of(each) in EXTENSIONS
        for each in arguments
    ]
    pairs = list(zip(arguments, named, strict=True))
    return [each for each, is_named in pairs if is_named], [
        each for each, is_named in pairs if not is_named
    ]


def _tell(report: SearchReport, *, asked_for_category: bool, narrowed: bool) -> None:
    """Say what is to be known of an answer beside its hits.

    Parameters
    ----------
    narrowed
        Not the whole catalog was searched.
    """
    from cli.render import say

    for each in report.understood:
        if each.categories:
            doing = "subtracting" if each.subtracted else "searching for"
            say(f"{doing}: {', '.join(each.categories)} ({each.text})")
    if asked_for_category and all(each.categories for each in report.understood):
        say(f"category: {report.category or 'unknown, so the whole catalog was searched'}")
    if not report.results:
        say(f"nothing found: {report.why_empty}")
    elif report.close is False:
        among = "among the images that fit" if narrowed else "in the catalog"
        best = max(hit.score for hit in report.results)
        say(f"nothing {among} is close to {report.query}: the best score is {best:.3f}")
    if missing := sum(hit.missing for hit in report.results):
        files = "1 of these files is" if missing == 1 else f"{missing} of these files are"
        say(f"{files} not there any more; `engine index FOLDER` brings the catalog up to date")


def _write(report: SearchReport, *, json: bool, paths: bool, null: bool, csv: bool) -> None:
    from cli.render import rank_heading, write_csv, write_json, write_paths, write_table

    hits = report.results
    if json:
        write_json([report])
    elif paths or null:
        write_paths((hit.path for hit in hits), null=null)
    elif csv:
        rows = [(*_row(hit), hit.path, hit.missing, hit.rank_score) for hit in hits]
        write_csv(("rank", *COLUMNS, "missing", "rank_score"), rows)
    elif hits:
        write_table(
            (rank_heading(report.order), *COLUMNS),
            [(*_row(hit), f"{hit.path}{' (missing)' * hit.missing}") for hit in hits],
        )


def _row(hit: Hit) -> tuple[object, ...]:
    return hit.rank, hit.score, hit.label, hit.category
