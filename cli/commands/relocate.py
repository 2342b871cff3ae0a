"""`engine relocate`: pictures that lie elsewhere now."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Json, Store, open_engine

EXAMPLES = """Examples:

engine relocate /mnt/old-disk/photos /mnt/new-disk/photos

engine relocate ./catalog /srv/catalog --store .engine
"""


def command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Where pictures lay.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Where they lie now.")],
    store: Store = None,
    json: Json = False,
) -> int:
    """Tell the catalog that the pictures at or below OLD lie below NEW now.

    No file is opened or moved, and nothing is embedded. `engine index NEW` would find the same out
    by reading every file.
    """
    from cli.failures import tell_failures
    from cli.render import tell, write_json
    from engine.skipped import Skipped

    with open_engine(store) as engine:
        report = engine.relocate(old, new)
    if json:
        write_json(report)
    else:
        tell(f"{report.relocated} images lie below {new} now")
    hint = "Check NEW, or run `engine index` on it"
    missing = [Skipped(path, "there is no such file", hint) for path in report.not_found]
    return tell_failures(missing, elsewhere="--json names all of them")
