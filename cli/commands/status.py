"""`engine status`: what the store holds, and whether it is in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.options import Json, Store, open_engine

if TYPE_CHECKING:
    from engine.session.status import ShardStatus

EXAMPLES = """Examples:

engine status

engine status --store shop.engine --json
"""


def command(store: Store = None, json: Json = False) -> int:
    """Say what the store holds, and check that it is in order.

    Exits with 1 where something is wrong.
    """
    from cli.commands.heads import tell_outdated
    from cli.render import say, write_json, write_table

    with open_engine(store) as engine:
        report = engine.status()
    if json:
        write_json(report)
    else:
        common = list(report.categories.items())[:8]
        facts = [
            ("store", report.store),
            ("images", f"{report.images} ({report.labelled} with a label)"),
            ("gone", f"{report.missing} (remembered in case they come back)"),
            ("backbone", f"{report.backbone} ({report.dim} dimensions, {report.fingerprint[:12]})"),
            ("stored as", f"{report.dtype}, embedded in {report.precision}"),
            ("index", f"{report.index}, {report.index_state}, {_size(report.index_bytes)}"),
            ("vectors", report.vectors),
            ("finds", _share(report.index_recall)),
            ("catalog", _size(report.catalog_bytes)),
            ("heads", ", ".join(head.name for head in report.heads) or "none"),
            ("judgements", str(report.judgements)),
            ("shows most", ", ".join(f"{name} {count}" for name, count in common) or "nothing"),
            ("writing now", report.writer or "nobody"),
            *_shards(report.shards, report.writer),
            ("in order", "yes" if report.consistent else "NO"),
        ]
        write_table(("what", "value"), facts)
    tell_outdated(report.heads)
    for problem in report.problems:
        say(f"problem: {problem}")
    for failure in report.shards.failures if report.shards else ():
        say(
            f"failed: {failure.files} files from {failure.first} to {failure.last}: {failure.error}"
        )
    return 0 if report.consistent else 1


def _shards(shards: ShardStatus | None, writer: str | None) -> list[tuple[str, str]]:
    """Return what is told of a run on a cluster: nothing of one that is over and had no trouble."""
    if shards is None or not (shards.todo or shards.running or shards.failed):
        return []
    counts = ", ".join(
        f"{getattr(shards, name)} {name}" for name in ("todo", "running", "done", "failed")
    )
    facts = [("shards", f"{counts}: {shards.images_done} of {shards.images} images")]
    if shards.todo or shards.running:
        left = "" if shards.seconds_left is None else f", {shards.seconds_left:.0f} s left"
        rate = f"{shards.images_per_second:.0f} images/s{left}"
        idle = "nobody works on them; run `engine index` again"
        facts.append(("workers", f"{len(shards.workers)}: {rate}" if writer else idle))
    return facts


def _share(recall: float) -> str:
    return f"{recall:.1%} of the 10 nearest, as measured when built" if recall else "not built yet"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
