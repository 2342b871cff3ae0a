"""`engine train`: teach the engine new categories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    Precision,
    Runtime,
    Store,
    open_engine,
)
from engine.errors import UsageError
from engine.heads.options import TrainOptions

if TYPE_CHECKING:
    from engine.learning.results import TrainReport

EXAMPLES = """Examples:

engine train ./photos --head furniture

engine train ./photos --head furniture --budget 1m

engine train ./photos --head furniture --fast

engine train ./photos --head furniture --tune --views 8

engine train ./photos --head furniture --hidden 256,64 --activation gelu --dropout 0.5

engine train ./more --head furniture --extend

engine train --from-labels --head my-labels

engine train --from-judgements --head taught
"""


@takes_options(TrainOptions)
def command(
    head: Annotated[str, typer.Option("--head", metavar="NAME", help="What to call the head.")],
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="DATASET", help="A folder with one folder per category."),
    ] = None,
    from_labels: Annotated[
        bool, typer.Option("--from-labels", help="Learn the labels of the catalog's images.")
    ] = False,
    from_judgements: Annotated[
        bool,
        typer.Option(
            "--from-judgements",
            help="Learn what people judged of the catalog's images, in the view Teach of "
            "`engine serve`. How it is trained is not chosen, which takes seconds.",
        ),
    ] = False,
    category: Annotated[
        list[str] | None,
        typer.Option(
            "--category",
            metavar="NAME",
            help="With --from-judgements: learn this category alone; may be given several times.",
        ),
    ] = None,
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
            help="Select the other options first, by cross-validation, however long it takes "
            "unless --budget is given. What is asked for by some of them stays.",
        ),
    ] = False,
    *,
    options: TrainOptions,
    views: Annotated[
        int | None,
        typer.Option(
            "--views",
            min=0,
            max=64,
            help="Also learn from so many parts of each picture, drawn at random, with other "
            "colours. Each is embedded once.",
            show_default="4 where they help and fit the budget, none where an option says how to "
            "train",
        ),
    ] = None,
    mirror_indexed: Annotated[
        bool,
        typer.Option(
            "--mirror-indexed",
            help="Also learn from mirrored copies of pictures that are in the catalog, which "
            "must be opened for it. Other pictures are mirrored anyway.",
        ),
    ] = False,
    min_images: MinImages = 0,
    backbone: Backbone = None,
    precision: Precision = None,
    runtime: Runtime = "auto",
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    decode_seconds: DecodeSeconds = 60.0,
    failed: Failed = None,
    store: Store = None,
    json: Json = False,
) -> int:
    """Add categories to the built-in 1000, from a few dozen pictures of each.

    Where no option says how to train, that is chosen within --budget, by cross-validation, and one
    line says what was chosen. The pictures are embedded once and remembered. Pictures that are in
    the catalog are opened for drawn views alone. Afterwards the whole catalog is classified anew,
    from its stored embeddings.
    """
    from cli.failures import failures_named, tell_failures
    from cli.render import write_json

    if (dataset is not None) + from_labels + from_judgements != 1:
        raise UsageError(
            "train",
            "it learns from a folder, from labels or from judgements",
            "Give one of DATASET, --from-labels and --from-judgements",
        )
    if category and not from_judgements:
        raise UsageError(
            "--category", "folders and labels are learned whole", "Give it with --from-judgements"
        )
    settings = {
        "backbone": backbone,
        "precision": precision,
        "runtime": runtime,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
        "decode_seconds": decode_seconds,
    }
    with failures_named(failed), open_engine(store, **settings) as engine:
        report = engine.train(
            dataset,
            head=head,
            from_labels=from_labels,
            from_judgements=from_judgements,
            only=category or (),
            options=options,
            extend=extend,
            tune=tune,
            views=views,
            mirror_indexed=mirror_indexed,
            min_images=min_images,
        )
    if json:
        write_json(report)
    else:
        _tell(report)
    return tell_failures(report.skipped, failed)


def _tell(report: TrainReport) -> None:
    from cli.render import against_baseline, figure, say, tell

    for note in report.notes:
        say(note)
    if report.selection is not None:
        say(f"selected {report.selection.reason} ({report.selection.seconds:.1f} s)")
    seconds = report.seconds
    tell(
        f"head {report.head}: {', '.join(report.categories)}",
        f"{report.images} images ({report.embedded} embedded in {seconds.embed:.1f} s), "
        f"trained in {seconds.fit:.1f} s",
    )
    if not report.test_images:
        tell("no accuracy, because no image could be tested")
        return
    tell(
        f"accuracy {report.validation_accuracy:.3f} on {report.test_images} test images"
        f"{f', cross-fitted in {report.folds} folds' if report.folds > 1 else ''}",
        against_baseline(figure(report.balanced_accuracy), figure(report.majority_baseline)),
    )
