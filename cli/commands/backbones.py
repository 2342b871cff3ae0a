"""`engine backbones`: which networks there are, and their weights."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json

if TYPE_CHECKING:
    from engine.backbones.manage import BackboneInfo

app = typer.Typer(
    help="List backbones; fetch or import their weights.",
    no_args_is_help=False,
    invoke_without_command=True,
)

LIST_EXAMPLES = """Examples:

engine backbones list

engine backbones list --json
"""
PULL_EXAMPLES = """Examples:

engine backbones pull resnet50

engine backbones pull resnet50 --url http://mirror.example/resnet50-11ad3fa6.pth
"""
IMPORT_EXAMPLES = """Examples:

engine backbones import resnet50 resnet50-11ad3fa6.pth
"""


@app.callback()
def default(context: typer.Context, json: Json = False) -> int:
    """List backbones; fetch or import their weights."""
    if context.invoked_subcommand is None:
        return _list(json)
    if json:
        raise typer.BadParameter(f"options go after the verb {context.invoked_subcommand}")
    return 0


@app.command("list", epilog=LIST_EXAMPLES)
def list_command(json: Json = False) -> int:
    """Show the table of backbones, and which weights are on this machine."""
    return _list(json)


def _list(json: bool) -> int:
    from cli.render import write_json, write_table
    from engine.backbones.manage import backbone_infos

    rows = backbone_infos()
    if json:
        write_json(rows)
    else:
        write_table(
            ("name", "dim", "input", "parameters", "GFLOPs", "ImageNet top-1", "size", "weights"),
            [
                (
                    row.name,
                    row.dim,
                    row.input_size,
                    f"{row.parameters / 1e6:.1f} M",
                    f"{row.gflops:.2f}",
                    f"{row.imagenet_top1:.1f} %",
                    f"{row.size_mb:.0f} MB",
                    row.weights,
                )
                for row in rows
            ],
        )
    return 0


@app.command("pull", epilog=PULL_EXAMPLES)
def pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A row of the table.")],
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="Fetch from here instead.", show_default=False),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(
            "--sha256",
            metavar="HEX",
            help="The hash it must have, or its start.",
            show_default="the published one",
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Fetch a backbone's weights and check their hash.

    A broken connection is taken up again; a file with another hash is thrown away.
    """
    from cli.render import ConsoleReporter
    from engine.backbones.manage import pull_backbone

    with closing(ConsoleReporter()) as reporter:
        row = pull_backbone(name, reporter, url=url, sha256=sha256)
    return _ready(row, json)


@app.command("import", epilog=IMPORT_EXAMPLES)
def import_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A row of the table.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pth or .safetensors file.")],
    json: Json = False,
) -> int:
    """Take a backbone's weights from a file, for machines that are never online."""
    from cli.render import ConsoleReporter
    from engine.backbones.manage import import_backbone

    return _ready(import_backbone(name, file, ConsoleReporter()), json)


def _ready(row: BackboneInfo, json: bool) -> int:
    from cli.render import tell, write_json

    if json:
        write_json(row)
    else:
        tell(f"{row.name} is ready ({row.weights}, SHA-256 {str(row.sha256)[:16]}…)")
    return 0
