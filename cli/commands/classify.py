"""`engine classify`: say what pictures show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import (
    Backbone,
    Crop,
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
    from collections.abc import Sequence

    from engine.skipped import Skipped

EXAMPLES = """Examples:

engine classify bed.jpg

engine classify *.jpg --csv > categories.csv

engine classify bed.jpg --head furniture -k 3 --json

engine classify room.jpg --crop 120,80,640,480

engine classify *.jpg --head furniture --coverage 0.95
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
    coverage: Annotated[
        float | None,
        typer.Option(
            "--coverage",
            metavar="SHARE",
            help="With --head NAME: also the smallest set of categories that holds the right one "
            "for this share of pictures, such as 0.95.",
        ),
    ] = None,
    crop: Crop = None,
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

    A set of --coverage is as small as its promise allows, and empty where no category is likely
    enough. The promise holds for pictures like those that the head was trained on.
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
        answers = engine.classify(
            list(images), k, head=head, coverage=coverage, crop=crop, skipped=skipped
        )
        damaged = engine.heads.damaged
    columns = COLUMNS if coverage is None else (*COLUMNS, "set")
    rows = [
        (
            answer.image,
            each.category,
            each.probability,
            each.source,
            *([] if answer.set is None else [", ".join(answer.set)]),
            answer.unknown,
        )
        for answer in answers
        for each in answer.predictions
    ]
    if json:
        write_json(answers)
    elif csv:
        write_csv((*columns, "unknown"), rows)
    else:
        write_table(columns, _once(rows))
    return tell_failures(skipped, failed) or (SKIPPED if damaged else 0)


def _once(rows: Sequence[tuple[Any, ...]]) -> list[tuple[object, ...]]:
    """Name each picture, and its set, only in its first row."""
    shown: list[tuple[object, ...]] = []
    last = ""
    for image, category, probability, source, *sets, unknown in rows:
        name = f"{image} (unknown)" if unknown else image
        first = image != last
        sets = [(each or "(empty)") if first else "" for each in sets]
        shown.append((name if first else "", category, probability, source, *sets))
        last = image
    return shown
