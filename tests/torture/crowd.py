"""Two writers and many readers of one store, and many threads of one engine."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from engine.errors import EngineError
from tests.torture.case import Result, WrongAnswerError, run
from tests.torture.stores import Shop, check, make_shop

SECONDS = 3.0
READERS, THREADS = 3, 6


class Processes:
    """Processes that write and search at once for some seconds."""

    name, goal = "processes", 10

    def __init__(self, folder: Path) -> None:
        self._shop = make_shop(folder / "crowd", 60)

    def strike(self, rng: Random, folder: Path) -> Result:
        """Let two write and others search; every answer of theirs must be true."""
        shop = self._shop.copy(folder)
        numbers = [rng.random() for _ in range(2 + READERS)]

        def crowd() -> str:
            end = time.monotonic() + SECONDS
            works: list[Callable[[Random], None]] = [
                lambda rng: _write(shop, rng, range(1000, 1010), end),
                lambda rng: _write(shop, rng, range(2000, 2010), end),
                *[lambda rng: _read(shop, rng, end)] * READERS,
            ]
            children = []
            for work, number in zip(works, numbers, strict=True):
                if not (child := os.fork()):
                    _leave(work, Random(number))
                children.append(child)
            statuses = [os.waitpid(child, 0)[1] for child in children]
            bad = [status for status in statuses if status]
            if any(os.WIFSIGNALED(status) for status in bad):
                os.kill(os.getpid(), signal.SIGSEGV)
            if bad:
                raise WrongAnswerError(f"{len(bad)} of {len(children)} processes failed: {bad}")
            return check(shop, list(shop.contents)[:5])

        return run(crowd, SECONDS + 20)


def _leave(work: Callable[[Random], None], rng: Random) -> None:
    try:
        work(rng)
    except WrongAnswerError:
        os._exit(2)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _write(shop: Shop, rng: Random, own: range, end: float) -> None:
    """Add pictures and take them away again, as often as there is time."""
    while time.monotonic() < end:
        shop.draw(rng.sample(own, 3))
        for content in rng.sample(own, 2):
            shop.path(content).unlink(missing_ok=True)
        # Another writer may be at work for longer than one waits.
        with suppress(EngineError), shop.opened() as (engine, _):
            engine.index([shop.folder / "shop"], label="parent")


def _read(shop: Shop, rng: Random, end: float) -> None:
    while time.monotonic() < end:
        check(shop, rng.sample(range(1, 60), 3))


class Threads:
    """Threads that search one engine while another indexes."""

    name, goal = "threads", 10

    def __init__(self, folder: Path) -> None:
        self._shop = make_shop(folder / "threads", 60)

    def strike(self, rng: Random, folder: Path) -> Result:
        """Let them ask for some seconds; every answer must be true, and the writer must finish."""
        shop = self._shop.copy(folder)
        seed = rng.random()
        return run(lambda: _threads(shop, Random(seed)), SECONDS + 20)


def _threads(shop: Shop, rng: Random) -> str:
    failures: list[BaseException] = []
    rounds, end = 0, time.monotonic() + SECONDS
    with shop.opened() as (engine, _):

        def ask(content: int) -> None:
            try:
                while time.monotonic() < end:
                    [hit] = engine.search(shop.path(content), k=1)
                    if hit.path != str(shop.path(content)):
                        raise WrongAnswerError(f"{content} is answered by {hit.path}")
            except BaseException as error:
                failures.append(error)

        threads = [
            threading.Thread(target=ask, args=(content,))
            for content in rng.sample(range(1, 60), THREADS)
        ]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            shop.draw(rng.sample(range(1000, 1010), 3))
            engine.index([shop.folder / "shop"], label="parent")
            rounds += 1
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    if not rounds:
        raise WrongAnswerError("the writer finished no round")
    return "survived"
