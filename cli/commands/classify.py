"""`engine classify`: say what pictures show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Backbone,
    Csv,
    DecodeSeconds,
    Failed,
    Json,
    MaxFileSize,
    MaxMegapixels,
    NoUrls,
    Precision,
    Runtime,
    Store,
    open_engine,
    require_one_form,
)

if TYPE_CHECKING:
    from engine.skipped import Skipped

EXAMPLES = """Examples:

engine classify bed.jpg

engine classify *.jpg --csv > categories.csv

engine classify bed.jpg --head furniture -k 3 --json
"""
COLUMNS = ("image", "category", "probability", "source")


def command(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE", help="Paths, http(s) URLs, or - for stdin."),
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="How many categories to name.")] = 5,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="NAME|imagenet",
            help="Ask one head alone, or only the built-in categories.",
            show_default="all compete",
        ),
    ] = None,
    csv: Csv = False,
    backbone: Backbone = None,
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
    """Say what each picture shows.

    The built-in 1000 categories and those of every trained head compete in one distribution. A
    picture is `unknown` that no head takes for its own, and that is unlike photographs of any
    built-in category. Of a category that several heads know, the likelier answer stands.
    """
    from cli.failures import failures_named, tell_failures
    from cli.render import SKIPPED, write_csv, write_json, write_table

    require_one_form(json=json, csv=csv)
    skipped: list[Skipped] = []
    settings = {
        "backbone": backbone,
        "precision": precision,
        "runtime": runtime,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
        "decode_seconds": decode_seconds,
        "no_urls": no_urls,
    }
    with failures_named(failed, skipped), open_engine(store, **settings) as engine:
        answers = engine.classify(list(images), k, head=head, skipped=skipped)
        damaged = engine.heads.damaged
    rows = [
        (answer.image, each.category, each.probability, each.source, answer.unknown)
        for answer in answers
        for each in answer.predictions
    ]
    if json:
        write_json(answers)
    elif csv:
        write_csv((*COLUMNS, "unknown"), rows)
    else:
        write_table(COLUMNS, _once(rows))
    return tell_failures(skipped, failed) or (SKIPPED if damaged else 0)


def _once(rows: list[tuple[str, str, float, str, bool]]) -> list[tuple[object, ...]]:
    """Name each picture only in its first row."""
    shown: list[tuple[object, ...]] = []
    last = ""
    for image, category, probability, source, unknown in rows:
        name = f"{image} (unknown)" if unknown else image
        shown.append(("" if image == last else name, category, probability, source))
        last = image
    return shown
