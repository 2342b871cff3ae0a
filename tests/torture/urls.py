"""Servers that trickle, flood, lie and lead astray, asked for the picture of a query."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from engine import Config, Engine, Skipped
from engine.config import UrlLimits
from engine.testing import FakeEmbedder
from tests.support.hostile_web import HostileServer
from tests.torture.case import Result, WrongAnswerError, run
from tests.torture.servers import BYTES, OVERHEAD, REDIRECTS, Misbehaviour
from tests.torture.stores import Shop, Told, check, make_shop

# The deadline of a fetch, and what a busy machine may take for all else.
SECONDS, PATIENCE = 1.0, 4.0
# What follows the address of the server, or stands in its place.
ODD = (
    *(
        "/\0.bmp",
        "/a b\r\nX-Evil: 1",
        "/\udcff",
        "/%00%ff",
        "/../../etc/passwd",
        "/" + "a" * 100_000,
    ),
    *("//", "?", "#", "/\u202egpj.exe", "@127.0.0.1:1/", ":1:2/", "]/", "\\..\\x"),
    *("http://", "http://[::1", "http://user:word@127.0.0.1/", "http://127.0.0.1:99999/"),
    *("http://127.0.0.1:0/", "http://a..b.invalid/", "http://" + "a" * 300, "HTTP:///etc/passwd"),
    *("https://127.0.0.1:1/", "http://\udcff/", "http://ⓔⓧ。invalid/", "http://0x7f.1:1/"),
)


# These must be answered, and those may not be; what comes of the others is the server's to say.
ANSWERED = ("good_picture", "good_in_pieces", "good_elsewhere")
REFUSED = (
    *("trickle", "silence", "continue_for_ever", "flood", "redirect", "chunk_sizes"),
    *("status", "other_protocol", "large", "page", "odd_url", "internal", "encrypted"),
)
KINDS = (*ANSWERED, *REFUSED, "length", "headers", "packed", "reset", "mutated_picture")


class Urls:
    """A query by the URL of a server on this machine that misbehaves.

    The answer is right, or an error that names the URL; it comes before the deadline and a little,
    and no thread, socket or file is left open by it.
    """

    name, goal = "urls", 100

    def __init__(self, folder: Path) -> None:
        self._shop = make_shop(folder / "urls", 12)

    def strike(self, rng: Random, folder: Path) -> Result:
        """Ask for one picture."""
        kind = rng.choice(KINDS)
        result = run(lambda: _ask(self._shop, kind, rng))
        return Result(result.outcome, f"{kind}: {result.detail}")


def _ask(shop: Shop, kind: str, rng: Random) -> str:
    """Ask a server that misbehaves in a way, and insist on what is promised."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    content = rng.choice(shop.contents)
    good = shop.path(content).read_bytes()
    behaves = kind if kind not in ("odd_url", "internal", "encrypted") else "good_picture"
    server = HostileServer()
    server.answer = Misbehaviour(behaves, good, shop.path(content), rng)
    url = f"{server.url}/{content}.bmp"
    if kind == "odd_url":
        odd = rng.choice(ODD)
        url = odd if odd[:4].lower() == "http" else f"http://127.0.0.1:1{odd}"
    elif kind == "encrypted":
        url = url.replace("http:", "https:")
    elif rng.random() < 0.15 and kind != "internal":
        # A proxy is a server as well.
        os.environ["http_proxy"], url = server.url, f"http://pictures.invalid/{content}.bmp"
    limits = UrlLimits(
        seconds=SECONDS,
        bytes=BYTES,
        overhead=OVERHEAD,
        redirects=REDIRECTS,
        internal=kind != "internal",
    )
    before = _open_sockets()
    try:
        outcome = _answer(
            shop, content, url, kind, limits, rng.choice(["search", "classify", "both"])
        )
    finally:
        server.close()
    _check_left_over(before)
    check(shop, [content])
    return outcome


def _answer(shop: Shop, content: int, url: str, kind: str, limits: UrlLimits, verb: str) -> str:
    from engine.errors import EngineError

    config, told = Config.at(shop.store, urls=limits, max_pixels=1_000_000), Told()
    skipped: list[Skipped] = []
    with Engine(config, told, embedder=FakeEmbedder(config, told)) as engine:
        began = time.monotonic()
        try:
            if verb == "classify":
                said = engine.classify(url, 1, head="furniture")[0].predictions[0]
                found = said.category == shop.answers[content]
            elif verb == "search":
                hits = list(engine.search(url, k=3))
                found = hits[0].path == str(shop.path(content)) and hits[0].score > 0.99
            else:
                # One that cannot be had is left out by name, and the other is the answer.
                hits = list(engine.search([shop.path(content), url], k=3, skipped=skipped))
                found = hits[0].path == str(shop.path(content))
                if skipped:
                    raise EngineError(skipped[0].path, skipped[0].reason, skipped[0].hint)
        except EngineError as error:
            _check_error(error, url, kind)
            outcome = "noticed"
        else:
            _check_answered(kind, found)
            outcome = "survived"
        if time.monotonic() - began > SECONDS + PATIENCE:
            raise WrongAnswerError(f"{url} took {time.monotonic() - began:.1f} s")
    return outcome


def _check_error(error: Exception, url: str, kind: str) -> None:
    if url not in str(error):
        raise WrongAnswerError(f"an error does not name the URL: {error}")
    if len(str(error)) > len(url) + 1000:
        raise WrongAnswerError(f"an error of {len(str(error))} letters")
    if kind in ANSWERED:
        raise WrongAnswerError(f"a good picture is refused: {error}")


def _check_answered(kind: str, found: bool) -> None:
    if kind in REFUSED:
        raise WrongAnswerError("it was taken for a picture")
    if kind in ANSWERED and not found:
        raise WrongAnswerError("a picture does not find itself")


def _open_sockets() -> int:
    links = (os.readlink(f"/proc/self/fd/{number}") for number in _handles())
    return sum(link.startswith("socket:") for link in links)


def _handles() -> Sequence[str]:
    return [
        each for each in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{each}")
    ]


def _check_left_over(before: int) -> None:
    """Insist that no thread and no socket is left, once those that are ending have ended."""
    end = time.monotonic() + PATIENCE
    while (count := threading.active_count()) > 1 and time.monotonic() < end:
        time.sleep(0.01)
    if count > 1:
        raise WrongAnswerError(f"threads are left: {threading.enumerate()}")
    if _open_sockets() > before - 1:
        raise WrongAnswerError("a socket is left open")
