"""`engine duplicates`: find pictures that are there twice."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Csv, Json, Null, Paths, Store, open_engine, require_one_form

EXAMPLES = """Examples:

engine duplicates

engine duplicates --min-score 0.98 --json
"""


def command(
    min_score: Annotated[
        float,
        typer.Option("--min-score", min=-1.0, max=1.0, metavar="S", help="Least similarity."),
    ] = 0.95,
    paths: Paths = False,
    null: Null = False,
    csv: Csv = False,
    store: Store = None,
    json: Json = False,
) -> int:
    """Find images that are the same in content (exact), or nearly the same to the eye (near).

    With --paths, the first picture of each group is left out: what is printed could go.
    """
    from cli.render import say, write_csv, write_json, write_paths, write_table

    require_one_form(json=json, csv=csv, paths=paths, null=null)
    with open_engine(store) as engine:
        groups = engine.duplicates(min_score)
    rows = [
        (number, group.kind, group.score, path)
        for number, group in enumerate(groups, start=1)
        for path in group.paths
    ]
    headings = ("group", "kind", "score", "path")
    if json:
        write_json(groups)
    elif paths or null:
        write_paths((path for group in groups for path in group.paths[1:]), null=null)
    elif csv:
        write_csv(headings, rows)
    elif rows:
        write_table(headings, rows)
    else:
        say("no duplicates")
    return 0
