"""`engine finetune`: train the last blocks of a backbone on pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.option_fields import takes_options
from cli.options import (
    Backbone,
    DecodeSeconds,
    Failed,
    Json,
    MaxFileSize,
    MaxMegapixels,
    MinImages,
    open_engine,
)
from engine.learning.finetune.options import FinetuneOptions

EXAMPLES = """Examples:

engine finetune ./photos --from block5 --name lite0-furniture

engine finetune ./photos --from block5 --name lite0-furniture --epochs 8 --resume

engine index ./catalog --store furniture.engine --backbone lite0-furniture
"""
INTERRUPTED = 130


@takes_options(FinetuneOptions)
def command(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="A folder with one folder per category.")
    ],
    *,
    options: FinetuneOptions,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What to call the new backbone.")
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last epoch of an interrupted run.")
    ] = False,
    min_images: MinImages = 0,
    backbone: Backbone = None,
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    decode_seconds: DecodeSeconds = 60.0,
    failed: Failed = None,
    json: Json = False,
) -> int:
    """Train the last blocks of a backbone, and keep it as a backbone of its own.

    The best epoch by the loss on validation pictures is kept, and measured on test pictures that
    took no part in it. Each epoch leaves a checkpoint: --resume goes on from it, to the same result
    as without the interruption. Ctrl-C keeps the best so far. A new catalog takes the result with
    --backbone NAME; those that exist keep their own.
    """
    from cli.failures import failures_named, tell_failures
    from cli.render import say, tell, write_json

    settings = {
        "backbone": backbone,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
        "decode_seconds": decode_seconds,
    }
    with failures_named(failed), open_engine(None, **settings) as engine:
        report = engine.finetune(
            dataset, name=name, options=options, resume=resume, min_images=min_images
        )
    if json:
        write_json(report)
    else:
        for note in report.notes:
            say(note)
        tell(
            f"backbone {report.backbone}: {report.base}, trained from {report.block} on "
            f"({report.trained_parameters / 1e6:.1f} M parameters, {report.epochs} epochs, "
            f"{report.seconds_train:.1f} s)",
            f"accuracy {report.validation_accuracy:.3f} on {report.test_images} test images, "
            f"before {report.validation_accuracy_before:.3f}",
        )
    skips = tell_failures(report.skipped, failed)
    return INTERRUPTED if report.interrupted else skips
