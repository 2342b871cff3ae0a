"""`engine remove`: forget images."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Json, Store, open_engine

EXAMPLES = """Examples:

engine remove ./catalog/old

engine remove s3://shop/pictures/2019

engine duplicates --paths --null | xargs -0 engine remove
"""


def command(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Folders, archives, URLs or pictures to forget."),
    ],
    store: Store = None,
    json: Json = False,
) -> int:
    """Forget the images at or below PATH. The files themselves are left alone."""
    from cli.failures import tell_failures
    from cli.render import tell, write_json
    from engine.skipped import Skipped

    with open_engine(store) as engine:
        report = engine.remove(paths)
    if json:
        write_json(report)
    else:
        tell(f"{report.removed} images forgotten; the catalog has {report.images}")
    hint = "See `engine status` for the store in use"
    return tell_failures(
        [
            Skipped(path, "nothing at or below it is in the catalog", hint)
            for path in report.not_found
        ],
        elsewhere="--json names all of them",
    )
