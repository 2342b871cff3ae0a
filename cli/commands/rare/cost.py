"""`engine cost`: what a catalog costs to embed and to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.option_fields import takes_options
from cli.options import Json
from engine.embedding.cost_options import CostOptions

if TYPE_CHECKING:
    from engine.embedding.cost import CostLine, CostReport

EXAMPLES = """Examples:

engine cost --images 1e7

engine cost --images 1e10 --images-per-object 5000 --pca 256

engine cost --images 1e9 --backbone resnet50 --images-per-second-core 45 --json
"""
UNITS = ("", "k", "M", "G", "T", "P", "E")


@takes_options(CostOptions)
def command(*, options: CostOptions, json: Json = False) -> int:
    """Say what so many images cost to embed and to keep, and whether one machine does.

    It is arithmetic: nothing is fetched, measured or opened. Prices are list prices that you may
    replace by your own, and each line says what it follows from.
    """
    from cli.render import tell, write_json, write_table
    from engine.embedding.cost import cost

    report = cost(options)
    if json:
        write_json(report)
        return 0
    rows = [(line.name, _amount(line), _dollars(line), line.follows) for line in report.lines]
    write_table(("what", "how much", "costs", "follows from"), rows)
    tell(
        "",
        f"once ${report.dollars_once:,.2f}, and ${report.dollars_monthly:,.2f} a month",
        *_machines(report),
    )
    return 0


def _machines(report: CostReport) -> list[str]:
    """Return what one machine does, and how many are needed."""
    options = report.options
    machine = f"{options.cores} cores, {options.memory_gb:g} GB and {options.disk_gb:g} GB of disk"
    lines = [
        f"one machine of {machine}:",
        *(
            f"  {each.name}: up to {each.images:,.0f} images ({each.follows})"
            for each in report.limits
        ),
    ]
    if report.one_machine:
        return [*lines, "one machine does"]
    short = [limit.name for limit in report.limits if options.images > limit.images]
    return [
        *lines,
        f"one machine does not, for its {' and its '.join(short)}: "
        f"{report.machines_to_embed} to embed within {options.days:g} x 24 h, "
        f"{report.machines_to_search} to hold the index",
    ]


def _amount(line: CostLine) -> str:
    if line.unit != "bytes":
        return f"{line.amount:,.0f} {line.unit}"
    amount, unit = line.amount, 0
    while amount >= 1000 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.3g} {UNITS[unit]}B"


def _dollars(line: CostLine) -> str:
    if line.dollars is None:
        return "-"
    return f"${line.dollars:,.2f}{' a month' if line.monthly else ''}"
