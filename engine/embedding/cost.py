"""What a catalog costs to embed and to keep, as arithmetic: nothing is fetched or measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from engine.backbones.table import backbone_named
from engine.embedding.cost_options import CostOptions
from index.state import Preference
from index.vectors.choose import CODE_BITS, DIRECTIONS_PER_CODE, Plan, choose_plan

# Of a row, its prediction and what SQL's indexes have of it, without the embedding, in PostgreSQL:
# `python -m benchmarks.databases --images 30000` printed 3,261 with an embedding of 2,560.
ROW_BYTES = 700
# Of the neighbours that the fused order goes by (docs/index.md).
GRAPH_BYTES = 132
# What a process of a service takes, beside a large index: `python -m benchmarks.serve` printed 215
# MB.
PROCESS_BYTES = 250_000_000
# Of a machine's memory, for the index; the rest is the system's and the database's.
INDEX_SHARE = 0.75
HOURS_PER_DAY = 24
# As many images as no index compares all of.
MANY = 1e6


@dataclass(frozen=True, slots=True)
class CostLine:
    """One thing that is needed, and what it follows from.

    Attributes
    ----------
    name
        What is needed.
    amount, unit
        How much of it.
    dollars
        What it costs; None where it costs nothing of its own.
    monthly
        Whether it costs that every month.
    follows
        From what it follows, with the numbers.
    """

    name: str
    amount: float
    unit: str
    dollars: float | None
    monthly: bool
    follows: str


@dataclass(frozen=True, slots=True)
class Limit:
    """Up to how many images one machine does, by one of what it has."""

    name: str
    images: float
    follows: str


@dataclass(frozen=True, slots=True)
class CostReport:
    """What is needed, and what it costs.

    Attributes
    ----------
    options
        What it was reckoned from.
    lines
        What is needed.
    dollars_once, dollars_monthly
        The sums of what costs something.
    machines_to_embed, machines_to_search
        How many are needed within the days, and for the memory of the index.
    limits
        What one machine does.
    one_machine
        Whether one does all of it.
    """

    options: CostOptions
    lines: tuple[CostLine, ...]
    dollars_once: float
    dollars_monthly: float
    machines_to_embed: int
    machines_to_search: int
    limits: tuple[Limit, ...]
    one_machine: bool


def cost(options: CostOptions) -> CostReport:
    """Return what a catalog needs and costs."""
    each = _PerImage.of(options)
    lines = (*_embedding(options), *_stored(options, each))
    hours = options.images / options.rate / 3600
    # Of few images the index is exact, which takes more bytes of each.
    limits = _limits(options, _PerImage.of(replace(options, images=max(options.images, MANY))))
    usable = INDEX_SHARE * options.memory_gb * 1e9 - PROCESS_BYTES
    memory = options.images * each.index
    return CostReport(
        options,
        lines,
        math.fsum(line.dollars or 0.0 for line in lines if not line.monthly),
        math.fsum(line.dollars or 0.0 for line in lines if line.monthly),
        max(1, math.ceil(hours / (options.cores * HOURS_PER_DAY * options.days))),
        max(1, math.ceil(memory / max(usable, 1.0))),
        limits,
        all(options.images <= limit.images for limit in limits),
    )


@dataclass(frozen=True, slots=True)
class _PerImage:
    """Bytes of one image."""

    dim: int
    embedding: int
    index: float
    codes: str

    @classmethod
    def of(cls, options: CostOptions) -> _PerImage:
        dim = backbone_named(options.backbone).dim
        # A budget that nothing fits into takes the coarsest codes there are.
        wish = Preference("compressed", 1) if options.pca else Preference()
        plan = choose_plan(int(options.images), dim, options.dtype, wish)
        codes = f"exact, {options.dtype}" if plan.is_exact else _codes(plan)
        embedding = dim * (2 if options.dtype == "float16" else 4)
        return cls(dim, embedding, plan.bytes_per_vector(dim, options.dtype), codes)


def _codes(plan: Plan) -> str:
    """Return the codes of an index as `engine status` names them."""
    short = f"PQ{plan.scan_dim // DIRECTIONS_PER_CODE}x{CODE_BITS}fs"
    parts = f"IVF{plan.lists}", short, plan.refine
    return ", ".join((f"PCA{plan.projected_dim}", *parts) if plan.projected_dim else parts)


def _embedding(options: CostOptions) -> tuple[CostLine, ...]:
    images = options.images
    hours = images / options.rate / 3600
    gets = math.ceil(images / options.images_per_object)
    return (
        CostLine(
            "embedding",
            hours,
            "core-hours",
            hours * options.price_core_hour,
            False,
            f"{images:g} images / {options.rate:g} a second and core / 3600, "
            f"at ${options.price_core_hour:g}",
        ),
        CostLine(
            "reading from object storage",
            gets,
            "GETs",
            gets / 1000 * options.price_get,
            False,
            f"{images:g} images / {options.images_per_object} an object, "
            f"at ${options.price_get:g} a thousand",
        ),
    )


def _stored(options: CostOptions, each: _PerImage) -> tuple[CostLine, ...]:
    def bytes_of(name: str, size: float, follows: str) -> CostLine:
        total = options.images * size
        dollars = total / 1e9 * options.price_gb_month
        told = f"{options.images:g} images x {size:g} bytes: {follows}"
        return CostLine(name, total, "bytes", dollars, True, told)

    memory = options.images * each.index + PROCESS_BYTES
    return (
        bytes_of("embeddings", each.embedding, f"{each.dim} components in {options.dtype}"),
        bytes_of("rows of the database", ROW_BYTES, "without embeddings, indexes of SQL included"),
        bytes_of("index of vectors", each.index, each.codes),
        bytes_of("neighbours for the fused order", GRAPH_BYTES, "on the disk of who searches"),
        CostLine(
            "memory of who searches",
            memory,
            "bytes",
            None,
            False,
            f"the index, and {PROCESS_BYTES / 1e6:g} MB for a process",
        ),
    )


def _limits(options: CostOptions, each: _PerImage) -> tuple[Limit, ...]:
    seconds = options.days * HOURS_PER_DAY * 3600
    usable = max(0.0, INDEX_SHARE * options.memory_gb * 1e9 - PROCESS_BYTES)
    on_disk = each.embedding + ROW_BYTES + each.index + GRAPH_BYTES
    return (
        Limit(
            "time",
            options.rate * options.cores * seconds,
            f"{options.cores} cores x {options.rate:g} images a second x {options.days:g} x 24 h",
        ),
        Limit(
            "memory",
            usable / each.index,
            f"{INDEX_SHARE:.0%} of {options.memory_gb:g} GB / {each.index:g} bytes of the index",
        ),
        Limit(
            "disk",
            options.disk_gb * 1e9 / on_disk,
            f"{options.disk_gb:g} GB / {on_disk:g} bytes of embedding, row, index and neighbours",
        ),
    )
