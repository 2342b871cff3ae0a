"""`engine demo`: the whole engine on pictures it draws itself."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, open_engine

if TYPE_CHECKING:
    from demo.tour import Tour

EXAMPLES = """Examples:

engine demo

engine demo --folder /tmp/demo --json

engine demo --serve --open
"""


def command(
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where to put pictures and results.")
    ] = Path("engine-demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed: other pictures.")] = 0,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve", help="Serve the catalog instead; what is missing of it is made meanwhile."
        ),
    ] = False,
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="The port with --serve; 0 for a free one."),
    ] = 8000,
    open_browser: Annotated[
        bool, typer.Option("--open", help="With --serve: open the page in your browser.")
    ] = False,
    json: Json = False,
) -> int:
    """Draw a small furniture catalog, then index, search, train and classify it.

    Needs no pictures and no network. The results are a page, DIR/index.html; with --serve the
    service shows the catalog instead, until Ctrl-C.
    """
    if serve:
        from cli.commands.serve import require_extra

        require_extra()
        from cli.demo_service import serve_demo

        serve_demo(folder, seed, port, open_browser=open_browser)
        return 0
    from cli.pages.demo import write_tour_page
    from cli.pages.html import require_own_page
    from cli.render import ConsoleReporter, say, write_json
    from demo.tour import BACKBONE, draw_images, take_tour

    page = folder / "index.html"
    require_own_page(page, remedy="Name another place with --folder")
    with closing(ConsoleReporter()) as reporter:
        images = draw_images(folder, seed, reporter)
    with open_engine(folder / ".engine", backbone=BACKBONE) as engine:
        tour = take_tour(engine, images)
    write_tour_page(tour, page)
    if json:
        write_json(tour)
    else:
        _tell(tour)
    say(f"the page with the pictures: {page}")
    return 0


def _tell(tour: Tour) -> None:
    from cli.render import bold, rank_heading, tell, write, write_table

    def step(number: int, text: str, command: str) -> None:
        write(f"\n{bold(f'{number}. {text}')}\n")
        tell(f"   $ {command}")

    folder = tour.images.folder
    tell(
        f"{tour.images.count} drawn pictures of beds, chairs, lamps, sofas and tables in {folder}/",
        f"To type the commands yourself:  cd {folder}",
    )
    index = tour.index
    step(1, "Look at every picture once", tour.commands["index"])
    tell(f"   {index.images} images in the catalog, {index.embedded} embedded now")
    step(2, "Find what looks like a picture", tour.commands["search"])
    write_table(
        (rank_heading(tour.search.order), "score", "label", "path"),
        [(hit.rank, hit.score, hit.label, hit.path) for hit in tour.search],
    )
    step(3, "Teach the engine five categories, from 20 pictures of each", tour.commands["train"])
    tell(
        f"   {tour.train.images} images, trained in {tour.train.seconds.fit:.1f} s, "
        f"accuracy {tour.train.validation_accuracy:.2f} on {tour.train.test_images} of them, "
        "each answered without having been seen"
    )
    step(4, "Say what new pictures show", tour.commands["classify"])
    write_table(
        ("picture", "category", "probability", "source"),
        [
            (each.image, best.category, best.probability, best.source)
            for each in tour.examples
            for best in each.predictions[:1]
        ],
    )
    step(5, "Measure on pictures it has never seen", tour.commands["evaluate"])
    tell(
        f"   accuracy {tour.evaluation.accuracy:.3f} on {tour.evaluation.images} images; "
        f"all 1005 categories competing: {tour.joint.accuracy:.3f}"
    )
