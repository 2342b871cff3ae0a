"""`engine duplicates`: find pictures that are there more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Csv, Failed, Json, NoUrls, Null, Paths, Store, open_engine, require_one_form

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.search.results import DuplicateGroup
    from engine.skipped import Skipped

EXAMPLES = """Examples:

engine duplicates

engine duplicates --paths -0 | xargs -0 rm

engine duplicates new.jpg

engine duplicates --level similar --min-score 0.8 --json
"""
LEFT_OUT = (
    "{count} more are not named: a link leads to or through them, or they are not as they were "
    "indexed; `engine duplicates --level {level}` shows all, `engine index` takes up changes"
)


def command(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="Pictures to ask about, before they are added: paths, URLs, or - for stdin.",
            show_default="the whole catalog",
        ),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            "--level",
            metavar="exact|copy|similar",
            help="List the same content alone; also copies: compressed, resized, cropped, "
            "mirrored, framed; or all that is as similar as --min-score says.",
            show_default="copy; exact with --paths; similar with --min-score",
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score",
            min=-1.0,
            max=1.0,
            metavar="S",
            help="With --level similar: least similarity of every two pictures in a group.",
            show_default="0.9",
        ),
    ] = None,
    paths: Paths = False,
    null: Null = False,
    csv: Csv = False,
    no_urls: NoUrls = False,
    failed: Failed = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Find pictures that are there more than once: exact in content, copies, or similar.

    Each copy is one of the picture that its group is made of, and not of another copy alone; every
    two of a similar group are as similar as the level asks. The score is the lowest similarity of
    these. The first one should stay: the largest, of these one that a link leads to, of these the
    oldest. A file counts once, however many links lead to it. Pictures with hardly anything to see,
    such as black frames, are blank: nobody can say whether they are copies.

    With IMAGE, nothing is added: each group holds what the catalog has of that picture.

    With --paths, what is printed can be deleted: exact copies of what stays, and others only where
    --level says so. Never named is what stays, a path through a link, a file that a link in a
    folder that was indexed leads to, and one that is not as it was indexed.
    """
    from cli.failures import failures_named, tell_failures
    from cli.render import say, write_csv, write_json, write_paths, write_table

    require_one_form(json=json, csv=csv, paths=paths, null=null)
    names_alone = paths or null
    if names_alone and level is None:
        level = "exact"
    skipped: list[Skipped] = []
    with failures_named(failed, skipped), open_engine(store, no_urls=no_urls) as engine:
        groups = engine.duplicates(min_score, level=level, images=images or None, skipped=skipped)
    if json:
        write_json(groups)
    elif names_alone:
        write_paths((path for group in groups for path in group.removable), null=null)
        count = sum(len(group.paths) - 1 - len(group.removable) for group in groups)
        if count:
            say(LEFT_OUT.format(count=count, level=level))
    elif csv:
        write_csv(("group", "kind", "score", "keep", "path"), _rows(groups))
    elif groups:
        write_table(("group", "kind", "lowest score", "", "path"), _rows(groups))
    else:
        say("no duplicates")
    return tell_failures(skipped, failed)


def _rows(groups: Sequence[DuplicateGroup]) -> Iterator[tuple[int, str, float, str, str]]:
    """Yield a line for each picture."""
    for number, group in enumerate(groups, start=1):
        for path in group.paths:
            keep = "keep" if path == group.keep else ""
            yield number, group.kind, group.score, keep, path
