"""`engine heads`: the heads of a catalog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Force, Json, Store, open_engine

if TYPE_CHECKING:
    from engine.heads.results import HeadInfo

app = typer.Typer(
    help="List, show, export, import and delete heads.",
    no_args_is_help=False,
    invoke_without_command=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="A head's name.")]

LIST_EXAMPLES = """Examples:

engine heads list
"""
SHOW_EXAMPLES = """Examples:

engine heads show furniture
"""
EXPORT_EXAMPLES = """Examples:

engine heads export furniture furniture.safetensors
"""
IMPORT_EXAMPLES = """Examples:

engine heads import furniture.safetensors

engine heads import furniture.safetensors --name shop
"""
DELETE_EXAMPLES = """Examples:

engine heads delete furniture
"""


@app.callback()
def default(context: typer.Context, store: Store = None, json: Json = False) -> int:
    """List, show, export, import and delete heads."""
    if context.invoked_subcommand is None:
        return _list(store, json)
    if store or json:
        raise typer.BadParameter(f"options go after the verb {context.invoked_subcommand}")
    return 0


@app.command("list", epilog=LIST_EXAMPLES)
def list_command(store: Store = None, json: Json = False) -> int:
    """Show the heads of the catalog."""
    return _list(store, json)


def _list(store: str | None, json: bool) -> int:
    from cli.render import SKIPPED, say, write_json, write_table

    with open_engine(store) as engine:
        engine.config.store.require()
        rows, damaged = list(engine.heads), engine.heads.damaged
    if json:
        write_json(rows)
    elif rows:
        write_table(
            ("name", "categories", "images", "accuracy", "made"),
            [
                (
                    row.name,
                    ", ".join(row.categories),
                    row.images,
                    row.validation_accuracy,
                    row.created_at,
                )
                for row in rows
            ],
        )
    elif not damaged:
        say("no heads yet; `engine train FOLDER --head NAME` makes one")
    tell_outdated(rows)
    return SKIPPED if damaged else 0


def tell_outdated(heads: Sequence[HeadInfo]) -> None:
    """Say which heads learned labels that are others by now, and what to type."""
    from shlex import quote

    from cli.render import say

    for head in heads:
        if head.changed_labels:
            say(
                f"head {head.name}: of the {head.images} labels that it learned, "
                f"{head.changed_labels} changed since; `engine train --from-labels --head "
                f"{quote(head.name)}` learns them anew"
            )


@app.command("show", epilog=SHOW_EXAMPLES)
def show(name: Name, store: Store = None, json: Json = False) -> int:
    """Show one head in full."""
    from cli.render import write_json, write_table

    with open_engine(store) as engine:
        row = engine.heads[name]
    if json:
        write_json(row)
    else:
        write_table(
            ("what", "value"),
            [
                ("name", row.name),
                ("categories", ", ".join(row.categories)),
                ("layers", " -> ".join(map(str, row.layers))),
                ("images", str(row.images)),
                ("accuracy", f"{row.validation_accuracy:.3f}"),
                ("backbone", row.backbone),
                ("made", row.created_at),
            ],
        )
    tell_outdated([row])
    return 0


@app.command("export", epilog=EXPORT_EXAMPLES)
def export(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The .safetensors file to write.")],
    force: Force = False,
    store: Store = None,
    json: Json = False,
) -> int:
    """Write a head to a file that other catalogs of the same backbone can import."""
    with open_engine(store) as engine:
        row = engine.heads.export(name, file, force=force)
    return _tell(row, f"{name} is in {file}", json)


@app.command("import", epilog=IMPORT_EXAMPLES)
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that export wrote.")],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Another name.", show_default="its own"),
    ] = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Add a head from a file; the catalog is classified anew.

    Paths of pictures in the file are dropped: the report of an imported head shows none.
    """
    with open_engine(store) as engine:
        row = engine.heads.add(file, name=name)
    return _tell(row, f"{row.name}: {', '.join(row.categories)}", json)


@app.command("delete", epilog=DELETE_EXAMPLES)
def delete(name: Name, store: Store = None, json: Json = False) -> int:
    """Forget a head; the catalog is classified anew without it."""
    with open_engine(store) as engine:
        row = engine.heads.delete(name)
    return _tell(row, f"{name} is forgotten", json)


def _tell(row: HeadInfo, text: str, json: bool) -> int:
    from cli.render import tell, write_json

    if json:
        write_json(row)
    else:
        tell(text)
    return 0
