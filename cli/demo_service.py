"""`engine demo --serve`: a service of the drawn catalog, which fills while it runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from demo.tour import BACKBONE, HEAD, PARTS, draw_images
from engine.engine import Engine
from engine.errors import EngineError, StoreLockedError, UnknownHeadError
from engine.image_collection import MOST
from engine.progress import Reporter

# Images that are drawn before they are put into the catalog together.
TOGETHER = 12
# How long what was begun may take when the service ends.
LAST_SECONDS = 10.0
# How long a job of the person who looks at it may hold the store, and how often it is asked for.
LOCKED_SECONDS, PAUSE_SECONDS = 600.0, 1.0
WAITS = "another job writes: the rest of the demo's catalog waits for its end"


def serve_demo(folder: Path, seed: int, port: int, *, open_browser: bool) -> None:
    """Serve the demo's catalog until Ctrl-C; what is missing of it is made meanwhile.

    Parameters
    ----------
    folder, seed
        Where the drawn images lie, and which.
    port
        Where to listen; 0 for a free port.
    open_browser
        Open the page, too.
    """
    from cli.browser import open_page
    from cli.commands.serve import end_here
    from cli.options import open_engine
    from cli.render import say
    from server.options import ServerOptions
    from server.processes.run import serve

    with open_engine(folder / ".engine", backbone=BACKBONE, no_urls=True) as engine:
        catalog = folder / "catalog"
        if not engine.config.store.exists():
            # Without a picture it takes no network: that is prepared while the page is up.
            catalog.mkdir(parents=True, exist_ok=True)
            engine.index([catalog], label="parent")
        filling = Filling(engine, folder, seed, say)

        def listening(bound: ServerOptions) -> None:
            say(bound.address)
            if open_browser and not open_page(bound.address):
                say("there is no browser to be opened here")
            filling.start()

        ended = serve(engine, ServerOptions(port=port), listening)
        if not (filling.stop(LAST_SECONDS) and ended):
            end_here()


class Filling(Reporter):
    """Draws the demo's images, indexes them as they come, and trains its head, on a thread.

    Parameters
    ----------
    engine
        Of the store that is filled.
    folder, seed
        As of `draw_images`.
    say
        Told what was done, and why it ended where it failed.
    locked_seconds
        How long it waits for another writer.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        seed: int,
        say: Callable[[str], None],
        *,
        locked_seconds: float = LOCKED_SECONDS,
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._seed = seed
        self._say = say
        self._locked_seconds = locked_seconds
        self._indexes = True
        # What is in the catalog has the label that the person who looks at it wants.
        self._labelled: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """End it at the next image; return whether that was within so many seconds."""
        self._stopped.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def announce(self, text: str) -> None:
        """Pass it on."""
        self._say(text)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Index what was drawn meanwhile."""
        if self._stopped.is_set():
            raise _StoppedError
        if self._indexes and done and done % TOGETHER == 0:
            self._index()

    def _run(self) -> None:
        try:
            self._engine.start()
            self._labelled = self._known()
            draw_images(self._folder, self._seed, self, PARTS[:1])
            self._index()
            # What was drawn again because it was cut off.
            self._write(lambda: self._engine.index([self._folder / "catalog"]))
            self._indexes = False
            if not self._has_head():
                images = draw_images(self._folder, self._seed, self, PARTS[1:])
                self._write(lambda: self._engine.train(images.part("train"), head=HEAD))
            self._say("the demo's catalog is whole")
        except _StoppedError:
            pass
        except EngineError as error:
            self._say(f"the demo's catalog stays as it is: {error}")

    def _index(self) -> None:
        drawn = {os.path.abspath(each) for each in (self._folder / "catalog").glob("*/*.jpg")}
        if new := sorted(drawn - self._labelled):
            self._write(lambda: self._engine.index(new, label="parent"))
            self._labelled.update(new)

    def _known(self) -> set[str]:
        """Return the paths of all images in the catalog."""
        page = self._engine.images.page(limit=MOST)
        found = {each.path for each in page.images}
        while page.cursor is not None:
            page = self._engine.images.page(after=page.cursor, limit=MOST)
            found |= {each.path for each in page.images}
        return found

    def _write(self, verb: Callable[[], object]) -> None:
        """Do what writes, after what others write."""
        end, told = time.monotonic() + self._locked_seconds, False
        while True:
            try:
                verb()
                return
            except StoreLockedError:
                if time.monotonic() >= end:
                    raise
            if not told:
                self._say(WAITS)
                told = True
            if self._stopped.wait(PAUSE_SECONDS):
                raise _StoppedError

    def _has_head(self) -> bool:
        try:
            return bool(self._engine.heads[HEAD])
        except UnknownHeadError:
            return False


class _StoppedError(Exception):
    """The service ends."""
