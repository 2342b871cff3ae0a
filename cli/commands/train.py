"""`engine train`: teach the engine new categories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    Backbone,
    Json,
    MaxFileSize,
    MaxMegapixels,
    Precision,
    Runtime,
    Store,
    open_engine,
)

EXAMPLES = """Examples:

engine train ./photos --head furniture

engine train ./photos --head furniture --tune

engine train ./photos --head furniture --hidden 256,64 --activation gelu --dropout 0.5

engine train ./more --head furniture --extend

engine train --from-labels --head my-labels
"""


def command(
    head: Annotated[str, typer.Option("--head", metavar="NAME", help="What to call the head.")],
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="DATASET", help="A folder with one folder per category."),
    ] = None,
    from_labels: Annotated[
        bool, typer.Option("--from-labels", help="Learn the labels of the catalog's images.")
    ] = False,
    extend: Annotated[
        bool,
        typer.Option(
            "--extend",
            help="Add to what the head of that name has learned. Its old pictures are not needed.",
        ),
    ] = False,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="Compare ways of training by cross-validation first, in seconds, and take the "
            "best. What is asked for by other options stays.",
        ),
    ] = False,
    hidden: Annotated[
        str,
        typer.Option(
            "--hidden", metavar="N,N,...", help="Widths of hidden layers; 0 for a linear head."
        ),
    ] = "0",
    activation: Annotated[
        str, typer.Option("--activation", help="With --hidden: relu, gelu, silu or tanh.")
    ] = "relu",
    dropout: Annotated[
        float, typer.Option("--dropout", min=0.0, max=0.95, help="With --hidden: dropout.")
    ] = 0.3,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="At most so many passes.")] = 60,
    patience: Annotated[
        int, typer.Option("--patience", min=1, help="Stop after so many passes without progress.")
    ] = 12,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Embeddings in one step.")] = 64,
    optimizer: Annotated[
        str, typer.Option("--optimizer", help="adamw, sgd, or lbfgs for linear heads.")
    ] = "adamw",
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate",
            min=1e-6,
            max=1.0,
            help="Size of a step.",
            show_default="0.002 for adamw, 0.01 for sgd",
        ),
    ] = None,
    weight_decay: Annotated[
        float, typer.Option("--weight-decay", min=0.0, help="How fast weights shrink.")
    ] = 0.05,
    label_smoothing: Annotated[
        float,
        typer.Option(
            "--label-smoothing", min=0.0, max=0.9, help="Share of certainty taken from labels."
        ),
    ] = 0.0,
    validation: Annotated[
        float,
        typer.Option("--validation", min=0.05, max=0.5, help="Share of pictures held out."),
    ] = 0.2,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed: the same head.")] = 0,
    views: Annotated[
        int,
        typer.Option(
            "--views",
            min=0,
            max=64,
            help="Also learn from so many parts of each picture, drawn at random, with other "
            "colours. Each is embedded once.",
        ),
    ] = 0,
    mirror_indexed: Annotated[
        bool,
        typer.Option(
            "--mirror-indexed",
            help="Also learn from mirrored copies of pictures that are in the catalog, which "
            "must be opened for it. Other pictures are mirrored anyway.",
        ),
    ] = False,
    backbone: Backbone = None,
    precision: Precision = None,
    runtime: Runtime = "auto",
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Add categories to the built-in 1000, from a few dozen pictures of each.

    The pictures are embedded once and remembered. Pictures that are in the catalog are not opened
    at all. Afterwards the whole catalog is classified anew, from its stored embeddings.
    """
    from cli.render import say, tell_skips, write, write_json
    from engine.errors import UsageError

    if (dataset is None) != from_labels:
        raise UsageError(
            "train",
            "it learns from a folder or from labels",
            "Give one of DATASET and --from-labels",
        )
    settings = {
        "backbone": backbone,
        "precision": precision,
        "runtime": runtime,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
    }
    with open_engine(store, **settings) as engine:
        from engine.heads.options import TrainOptions

        options = TrainOptions(
            hidden=_widths(hidden),
            activation=activation,
            dropout=dropout,
            optimizer=optimizer,
            epochs=epochs,
            patience=patience,
            batch=batch,
            lr=learning_rate,
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            validation=validation,
            seed=seed,
        )
        report = engine.train(
            dataset,
            head=head,
            from_labels=from_labels,
            options=options,
            extend=extend,
            tune=tune,
            views=views,
            mirror_indexed=mirror_indexed,
        )
    if json:
        write_json(report)
    else:
        for note in report.notes:
            say(note)
        if report.tuning is not None:
            write(f"chosen {report.tuning.reason} ({report.tuning.seconds:.1f} s)\n")
        seconds = report.seconds
        write(
            f"head {report.head}: {', '.join(report.categories)}\n"
            f"{report.images} images ({report.embedded} embedded in {seconds.embed:.1f} s), "
            f"trained in {seconds.fit:.1f} s\n"
            f"validation accuracy {report.validation_accuracy:.3f} "
            f"on {report.validation_images} held-out images\n"
        )
    return tell_skips(report.skipped)


def _widths(text: str) -> tuple[int, ...]:
    """Return the widths in `256,64`; none for `0` or nothing."""
    from engine.errors import UsageError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(
            f"--hidden {text}", "these are no widths", "Write for example 256, or 256,64"
        )
    widths = tuple(map(int, parts))
    return () if widths == (0,) else widths
