"""`engine finetune`: train the last blocks of a backbone on pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Backbone, Json, MaxFileSize, MaxMegapixels, open_engine

EXAMPLES = """Examples:

engine finetune ./photos --from block5 --name lite0-furniture

engine finetune ./photos --from block5 --name lite0-furniture --epochs 8 --resume

engine index ./catalog --store furniture.engine --backbone lite0-furniture
"""
INTERRUPTED = 130


def command(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="A folder with one folder per category.")
    ],
    block: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="BLOCK",
            help="The first block to train, such as layer4, block5 or top; a wrong name lists all.",
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What to call the new backbone.")
    ],
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the pictures.")] = 3,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Pictures in one step.")] = 32,
    learning_rate: Annotated[
        float,
        typer.Option("--learning-rate", min=1e-8, help="Largest step of the last block, AdamW's."),
    ] = 3e-4,
    falling: Annotated[
        float,
        typer.Option(
            "--falling", min=0.01, max=1.0, help="Each block before takes steps so much smaller."
        ),
    ] = 0.5,
    weight_decay: Annotated[
        float, typer.Option("--weight-decay", min=0.0, help="How fast weights shrink.")
    ] = 0.02,
    label_smoothing: Annotated[
        float,
        typer.Option(
            "--label-smoothing", min=0.0, max=0.9, help="Share of certainty taken from labels."
        ),
    ] = 0.1,
    augment: Annotated[
        bool,
        typer.Option(
            "--augment/--no-augment",
            help="Show each picture in another part and other colours in every pass. Without it "
            "what comes before BLOCK is computed once.",
        ),
    ] = True,
    adapt_norms: Annotated[
        bool,
        typer.Option(
            "--adapt-norms",
            help="Let BatchNorms take on the statistics of these pictures: for thousands of them.",
        ),
    ] = False,
    validation: Annotated[
        float, typer.Option("--validation", min=0.01, max=0.9, help="Share of pictures held out.")
    ] = 0.2,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="The same seed: the same backbone.")
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last pass of an interrupted run.")
    ] = False,
    backbone: Backbone = None,
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    json: Json = False,
) -> int:
    """Train the last blocks of a backbone, and keep it as a backbone of its own.

    The best pass by the loss on held-out pictures is kept. Each pass leaves a checkpoint: --resume
    goes on from it, to the same result as without the interruption. Ctrl-C keeps the best so far.
    A new catalog takes the result with --backbone NAME; those that exist keep their own.
    """
    from cli.render import say, tell_skips, write, write_json

    with open_engine(
        None, backbone=backbone, max_megapixels=max_megapixels, max_file_size=max_file_size
    ) as engine:
        from engine.learning.finetune.options import FinetuneOptions

        options = FinetuneOptions(
            block=block,
            epochs=epochs,
            batch=batch,
            lr=learning_rate,
            falling=falling,
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            augment=augment,
            adapt_norms=adapt_norms,
            validation=validation,
            seed=seed,
        )
        report = engine.finetune(dataset, name=name, options=options, resume=resume)
    if json:
        write_json(report)
    else:
        for note in report.notes:
            say(note)
        write(
            f"backbone {report.backbone}: {report.base}, trained from {report.block} on "
            f"({report.trained_parameters / 1e6:.1f} M parameters, {report.epochs} epochs, "
            f"{report.seconds_train:.1f} s)\n"
            f"validation accuracy {report.validation_accuracy:.3f} on "
            f"{report.validation_images} held-out images, before "
            f"{report.validation_accuracy_before:.3f}\n"
        )
    skips = tell_skips(report.skipped)
    return INTERRUPTED if report.interrupted else skips
