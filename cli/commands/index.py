"""`engine index`: bring the catalog in step with folders of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    Backbone,
    DecodeMemory,
    DecodeSeconds,
    Failed,
    Json,
    MaxFileSize,
    MaxMegapixels,
    Precision,
    Runtime,
    Store,
    Threads,
    open_engine,
    parse_limit,
)

if TYPE_CHECKING:
    from engine.ingest.results import IndexReport

EXAMPLES = """Examples:

engine index ./catalog

engine index ./catalog --label parent

engine index ./catalog --index auto --memory 4G

engine index ./catalog --exclude 'thumbs*' --exclude drafts/2024

engine index ./catalog --watch

engine index s3://shop/pictures

engine index ./shards/00000.tar --label source

engine index ./catalog ./new-arrivals --label labels.csv --json

engine index /mnt/pictures --store postgresql://shop@db/shop --cluster ray://head:10001
"""
SHARD_IMAGES = 1000
COUNTS = ("added", "updated", "moved", "came_back", "removed", "unchanged", "relabelled")


def command(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Folders of pictures, pictures, archives (.tar, .parquet), and URLs of such: "
            "s3://, gs://, az://, http:// and https://.",
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            metavar="parent|source|none|FILE.csv",
            help="Where labels come from: each picture's folder, what an archive says, nowhere, or "
            "a table with the columns path and label, separated by commas, semicolons or tabs.",
            show_default="keep the labels there are",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="GLOB",
            help="Leave out files and folders of such a name, or with a slash of such a path below "
            "PATH. Images that were indexed before are gone from answers. Repeat for more.",
        ),
    ] = None,
    include_hidden: Annotated[
        bool,
        typer.Option(
            "--include-hidden",
            help="Look into hidden folders, and those of systems and tools, too.",
        ),
    ] = False,
    archives: Annotated[
        bool,
        typer.Option(
            "--archives",
            help="Look into .tar and .parquet files that are found below PATH, too, and not only "
            "into those that are named.",
        ),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Open every file, also those that look unchanged."),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on, and index what changes, until Ctrl-C."),
    ] = False,
    backbone: Backbone = None,
    precision: Precision = None,
    runtime: Runtime = "auto",
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    threads: Threads = None,
    decode_memory: DecodeMemory = None,
    decode_seconds: DecodeSeconds = 60.0,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="T", help="How a new catalog stores vectors.")
    ] = "float16",
    index: Annotated[
        str | None,
        typer.Option(
            "--index",
            metavar="exact|auto",
            help="Compare with every vector, or let size, dim and memory decide. The catalog "
            "remembers it.",
            show_default="auto",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="What the index should fit into, such as 4G or 500M; none lifts the limit. The "
            "less there is for an image, the coarser it is found; scores stay exact. The catalog "
            "remembers it.",
            show_default="no limit",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="local|ray://HOST:PORT",
            help="Share the work out among processes of this machine, or of a Ray cluster. "
            "Whichever of them dies, what was finished is kept and the others go on.",
            show_default="threads of one process",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            help="How many processes, with --cluster.",
            show_default="as many as there is room for",
        ),
    ] = None,
    shard_images: Annotated[
        int,
        typer.Option(
            "--shard-images",
            metavar="N",
            help="Pictures that a process commits together, with --cluster: what is lost with it.",
        ),
    ] = SHARD_IMAGES,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Try again what failed in an earlier run, with --cluster."
        ),
    ] = False,
    vectors: Annotated[
        str | None,
        typer.Option(
            "--vectors",
            metavar="faiss|URL|FILE.db",
            help="Where the index keeps its vectors: in files of the store (faiss), on a Milvus "
            "server (milvus://host:19530/database), or in a file of Milvus Lite. The catalog "
            "remembers it, but no password.",
            show_default="faiss",
        ),
    ] = None,
    failed: Failed = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Look at every picture below PATH once and remember it.

    Only new and changed pictures are opened. Ctrl-C keeps what is finished; the next run goes on
    from there.
    """
    from cli.failures import failures_named
    from cli.render import say
    from engine.ingest.cluster.options import ClusterOptions
    from engine.ingest.options import IngestOptions

    settings = {
        "backbone": backbone,
        "precision": precision,
        "runtime": runtime,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
        "threads": threads,
        "decode_memory": decode_memory,
        "decode_seconds": decode_seconds,
        "dtype": dtype,
        "index": index,
        "memory": parse_limit(memory) if memory is not None else None,
        "cluster": cluster,
        "vectors": vectors,
    }
    if cluster is None:
        _require_none_of(
            {
                "--workers": workers is not None,
                "--shard-images": shard_images != SHARD_IMAGES,
                "--retry-failed": retry_failed,
            }
        )
    options = IngestOptions(tuple(exclude or ()), include_hidden, verify, archives)
    shared = ClusterOptions(workers, shard_images, retry_failed=retry_failed)
    with failures_named(failed), open_engine(store, **settings) as engine:
        if not watch:
            report = engine.index(paths, label=label, options=options, cluster=shared)
            return _tell(report, failed, json=json)
        code = 0
        reports = engine.watch(paths, label=label, options=options, cluster=shared)
        for number, report in enumerate(reports):
            if not number or report.changed or report.skipped:
                code = _tell(report, failed, json=json)
            if not number:
                say("watching; Ctrl-C ends it")
        return code


def _require_none_of(given: Mapping[str, bool]) -> None:
    """Insist that no option is given that says something of a cluster.

    Raises
    ------
    UsageError
        One is: threads would take no notice of it.
    """
    from engine.errors import UsageError

    for option in (name for name, is_given in given.items() if is_given):
        raise UsageError(option, "it says how a cluster goes about it", "Add --cluster local")


def _tell(report: IndexReport, failed: Path | None, *, json: bool) -> int:
    """Print what a run did; return the exit code."""
    from cli.failures import tell_failures
    from cli.render import say, tell, write_json

    for note in report.notes:
        say(f"note: {note}")
    if json:
        write_json(report)
    else:
        rate = f" ({report.images_per_second:.0f} images/s)" if report.embedded else ""
        tell(
            f"{_counts(report)} in {report.seconds:.1f} s{rate}; "
            f"the catalog has {report.images} images ({report.backbone})"
        )
        if report.left_out:
            say(f"{report.left_out} hidden or of the system left out (--include-hidden)")
    return tell_failures(report.skipped, failed, unused_labels=report.unused_labels)


def _counts(report: IndexReport) -> str:
    """Return what became of images, as far as there is anything to say."""
    counts = [
        f"{getattr(report, name)} {name.replace('_', ' ')}"
        for name in COUNTS
        if getattr(report, name)
    ]
    skipped = [f"{len(report.skipped)} skipped"] if report.skipped else []
    return ", ".join([*(counts or [_nothing(report)]), *skipped])


def _nothing(report: IndexReport) -> str:
    """Return what is said where no image was added, changed, found or lost."""
    if report.skipped:
        kinds = Counter(skip.format for skip in report.skipped if skip.format).most_common()
        told = ", ".join(f"{count} {kind}" for kind, count in kinds)
        return f"nothing could be read ({told})" if told else "nothing could be read"
    return "nothing to do" if report.images else "no pictures found"
