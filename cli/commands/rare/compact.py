"""`engine compact`: give back the room of removed images."""

from __future__ import annotations

from cli.options import Json, Store, open_engine

EXAMPLES = """Examples:

engine compact

engine compact --store shop.engine --json
"""


def command(store: Store = None, json: Json = False) -> int:
    """Make the store's files as small as they can be, after images were removed.

    Needs room for a second copy of the catalog meanwhile. Images that are only hidden, because
    their files are gone, are kept: `engine remove` forgets them. Killed at any moment, it leaves
    the store as it was or as it should be.
    """
    from cli.render import tell, write_json

    with open_engine(store) as engine:
        report = engine.compact()
    if json:
        write_json(report)
        return 0
    parts = (
        ("catalog", report.catalog_bytes_before, report.catalog_bytes),
        ("index", report.index_bytes_before, report.index_bytes),
    )
    sizes = ", ".join(f"{name} {_size(before)} -> {_size(after)}" for name, before, after in parts)
    tell(f"{sizes} in {report.seconds:.1f} s")
    return 0


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
