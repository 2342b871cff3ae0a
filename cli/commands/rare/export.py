"""`engine export`: hand the embeddings to other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Force, Json, Store, open_engine

EXAMPLES = """Examples:

engine export embeddings.npy

engine export catalog.parquet
"""


def command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.npy|.parquet", help="What to write; kinds by ending.")
    ],
    force: Force = False,
    store: Store = None,
    json: Json = False,
) -> int:
    """Write all embeddings, as unit vectors, and what is known about each image.

    A .npy file comes with a .csv file of the same name, a line for each row. Neither is written
    over without --force.
    """
    from cli.render import tell, write_json

    with open_engine(store) as engine:
        report = engine.export(file, force=force)
    if json:
        write_json(report)
    else:
        tell(f"{report.images} embeddings of dim {report.dim} in {report.file}")
    return 0
