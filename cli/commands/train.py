"""`engine train`: teach the engine new categories."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Backbone, Json, MaxMegapixels, Precision, Runtime, Store, open_engine

EXAMPLES = """Examples:

engine train ./photos --head furniture

engine train ./photos --head furniture --hidden 256 --dropout 0.5

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
    hidden: Annotated[
        int, typer.Option("--hidden", min=0, help="Width of a hidden layer; 0 for a linear head.")
    ] = 0,
    dropout: Annotated[
        float, typer.Option("--dropout", min=0.0, max=0.95, help="With --hidden: dropout.")
    ] = 0.3,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="At most so many passes.")] = 60,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", min=1e-6, max=1.0, help="Step size of AdamW.")
    ] = 2e-3,
    validation: Annotated[
        float,
        typer.Option("--validation", min=0.05, max=0.5, help="Share of pictures held out."),
    ] = 0.2,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed: the same head.")] = 0,
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
    store: Store = None,
    json: Json = False,
) -> int:
    """Add categories to the built-in 1000, from a few dozen pictures of each.

    The pictures are embedded once and remembered. Pictures that are in the catalog are not opened
    at all. Afterwards the whole catalog is classified anew, from its stored embeddings.
    """
    from cli.render import tell_skips, write, write_json
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
    }
    with open_engine(store, **settings) as engine:
        from engine.heads.options import TrainOptions

        options = TrainOptions(
            hidden=(hidden,) if hidden else (),
            dropout=dropout,
            epochs=epochs,
            lr=learning_rate,
            validation=validation,
            seed=seed,
        )
        report = engine.train(
            dataset,
            head=head,
            from_labels=from_labels,
            options=options,
            mirror_indexed=mirror_indexed,
        )
    if json:
        write_json(report)
    else:
        seconds = report.seconds
        write(
            f"head {report.head}: {', '.join(report.categories)}\n"
            f"{report.images} images ({report.embedded} embedded in {seconds.embed:.1f} s), "
            f"trained in {seconds.fit:.1f} s\n"
            f"validation accuracy {report.validation_accuracy:.3f} "
            f"on {report.validation_images} held-out images\n"
        )
    return tell_skips(report.skipped)
