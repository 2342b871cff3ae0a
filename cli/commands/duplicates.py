"""`engine duplicates`: find pictures that are there more than once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Csv,
    Failed,
    Force,
    Json,
    NoUrls,
    Null,
    Paths,
    Store,
    open_engine,
    require_one_form,
)
from engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.search.duplicates.moves.results import MovedFile
    from engine.search.results import DuplicateGroup
    from engine.skipped import Skipped

EXAMPLES = """Examples:

engine duplicates

engine duplicates --paths -0 | xargs -0 rm

engine duplicates --html duplicates.html

engine duplicates new.jpg

engine duplicates --level similar --min-score 0.8 --json

engine duplicates --keep '*/originals/*' --move-to ~/duplicates

engine duplicates --undo ~/duplicates/moved-20260131T120000Z.jsonl
"""
LEFT_OUT = (
    "{count} more are not named: a link leads to or through them, or they are not as they were "
    "indexed; `engine duplicates --level {level}` shows all, `engine index` takes up changes"
)

MOVED_FORM = "--move-to moves files of the catalog, and tells so as text or with --json"
NOT_MOVED = "pictures that look alike are no copies of each other, and none is moved"


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
            show_default="copy; exact with --paths and --move-to; similar with --min-score",
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
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            metavar="largest|oldest|PATTERN",
            help="Which should stay of a group. A PATTERN is a glob on whole paths, such as "
            "'*/originals/*': all that match stay, else the largest.",
            show_default="largest",
        ),
    ] = None,
    move_to: Annotated[
        Path | None,
        typer.Option(
            "--move-to",
            metavar="DIR",
            help="Move what may go to DIR, outside the folders that are indexed: exact copies, and "
            "others only with --level copy. A manifest in DIR names all of it.",
        ),
    ] = None,
    undo: Annotated[
        Path | None,
        typer.Option(
            "--undo", metavar="FILE", help="Put back all that the manifest FILE says was moved."
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
    no_urls: NoUrls = False,
    failed: Failed = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Find pictures that are there more than once: exact in content, copies, or similar.

    Each copy is one of the picture that its group is made of, and not of another copy alone; every
    two of a similar group are as similar as the level asks. The score is the lowest similarity of
    these. The first one should stay: unless --keep says otherwise the largest, of these one that a
    link leads to, of these the oldest. A file counts once, however many links lead to it. Pictures
    with hardly anything to see, such as black frames, are blank: nobody can say whether they are
    copies.

    With IMAGE, nothing is added: each group holds what the catalog has of that picture.

    With --paths, what is printed can be deleted: exact copies of what stays, and others only where
    --level says so. Never named is what stays, a path through a link, a file that a link in a
    folder that was indexed leads to, and one that is not as it was indexed.

    With --move-to just these are moved, each checked again when its turn comes. Nothing is deleted
    or written over, Ctrl-C included, and --undo puts every file back.
    """
    from cli.failures import failures_named, tell_failures
    from cli.render import say, write_paths

    require_one_form(json=json, csv=csv, paths=paths, null=null)
    forms = {"IMAGE": bool(images), "--paths": paths, "--null": null, "--csv": csv}
    forms["--html"] = html is not None
    levels = {"--level": level is not None, "--min-score": min_score is not None}
    rule = "largest" if keep is None else keep
    if undo is not None:
        moves = {"--keep": keep is not None, "--move-to": move_to is not None}
        _refuse({**levels, **moves, **forms}, "--undo goes by the manifest alone", "Leave it out")
        return _undo(undo, store, failed, json=json)
    if move_to is not None:
        _refuse(forms, MOVED_FORM, "Leave it out")
        levels["--level"] = level == "similar"
        _refuse(levels, NOT_MOVED, "Use --level exact or copy")
        return _move(move_to, store, failed, level=level or "exact", keep=rule, json=json)
    names_alone = paths or null
    if names_alone and level is None:
        level = "exact"
    if html is not None:
        from cli.pages.html import require_page_file

        require_page_file(html, force=force)
    skipped: list[Skipped] = []
    with failures_named(failed, skipped), open_engine(store, no_urls=no_urls) as engine:
        groups = engine.duplicates(
            min_score, level=level, keep=rule, images=images or None, skipped=skipped
        )
    if html is not None:
        from cli.pages.duplicates import write_duplicates_page

        write_duplicates_page(groups, html, force=force)
        say(f"wrote {html}")
    if names_alone:
        write_paths((path for group in groups for path in group.removable), null=null)
        count = sum(len(group.paths) - 1 - len(group.removable) for group in groups)
        if count:
            say(LEFT_OUT.format(count=count, level=level))
    else:
        _write(groups, json=json, csv=csv)
    return tell_failures(skipped, failed)


def _write(groups: Sequence[DuplicateGroup], *, json: bool, csv: bool) -> None:
    from cli.render import say, write_csv, write_json, write_table

    if json:
        write_json(groups)
    elif csv:
        write_csv(("group", "kind", "score", "keep", "path"), _rows(groups))
    elif groups:
        write_table(("group", "kind", "lowest score", "", "path"), _rows(groups))
    else:
        say("no duplicates")


def _refuse(given: Mapping[str, bool], reason: str, remedy: str) -> None:
    """Refuse options that were given, where they make no sense.

    Raises
    ------
    UsageError
        There are some.
    """
    if names := [name for name, is_given in given.items() if is_given]:
        raise UsageError(" and ".join(names), reason, remedy)


def _move(
    folder: Path, store: str | None, failed: Path | None, *, level: str, keep: str, json: bool
) -> int:
    from cli.failures import failures_named, tell_failures
    from cli.render import say, tell, write_json

    with failures_named(failed), open_engine(store) as engine:
        report = engine.move_duplicates(folder, level=level, keep=keep)
    if json:
        write_json(report)
    elif report.moved:
        size = f"{report.size / 1e6:.1f} MB"
        tell(f"moved {_files(report.moved)} ({size}) to {report.folder}")
    else:
        say("nothing was moved" if report.skipped else "no duplicates to move")
    if report.moved:
        say(f"to put back all of it: {report.undo}")
    return tell_failures(report.skipped, failed)


def _undo(manifest: Path, store: str | None, failed: Path | None, *, json: bool) -> int:
    from cli.failures import failures_named, tell_failures
    from cli.render import say, tell, write_json

    with failures_named(failed), open_engine(store) as engine:
        report = engine.undo_moves(manifest)
    if json:
        write_json(report)
    elif report.restored or report.skipped:
        others = f"; {report.already_there} lay where they belong" if report.already_there else ""
        tell(f"put back {_files(report.restored)}{others}")
    else:
        tell("nothing is left to put back: every file that was moved is in its place")
    for note in report.notes:
        say(f"note: {note}")
    return tell_failures(report.skipped, failed)


def _files(files: Sequence[MovedFile]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def _rows(groups: Sequence[DuplicateGroup]) -> Iterator[tuple[int, str, float, str, str]]:
    """Yield a line for each picture."""
    for number, group in enumerate(groups, start=1):
        for path in group.paths:
            keep = "keep" if path == group.keep else ""
            yield number, group.kind, group.score, keep, path
