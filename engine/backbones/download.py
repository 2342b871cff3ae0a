"""Fetching a large file over HTTP, resumed after a broken connection; its hash tells what it is."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WeightsUnreachableError
from index.errors import briefly

Progress = Callable[[int, int | None], None]

CHUNK = 1 << 18
_AGENT = "image-engine"


@dataclass(frozen=True, slots=True)
class Retries:
    """How often to try to fetch a file, and how long to wait.

    Attributes
    ----------
    attempts
        How often.
    pause
        Seconds before the second attempt; doubled before each further one.
    connect_seconds
        How long a server may be silent.
    """

    attempts: int = 4
    pause: float = 0.5
    connect_seconds: float = 15.0


def fetch(url: str, target: Path, progress: Progress, retries: Retries = Retries()) -> None:
    """Fetch a file, resuming where it broke off.

    Parameters
    ----------
    url
        Where it is, http or https.
    target
        Where to put it; bytes already there are kept if the server can resume after them.
    progress
        Called with bytes so far, and bytes in all where the server says.

    Raises
    ------
    WeightsUnreachableError
        The host does not answer or refuses, or the connection broke in every attempt.
    """
    last = "no answer"
    for attempt in range(retries.attempts):
        if attempt:
            time.sleep(retries.pause * 2 ** (attempt - 1))
        try:
            _resume(url, target, progress, retries.connect_seconds)
            return
        except urllib.error.HTTPError as error:
            error.close()
            last = f"the server answered {error.code} {briefly(str(error.reason))}"
            if error.code == 416:
                target.unlink(missing_ok=True)
            elif error.code < 500 and error.code != 429:
                break
        except (OSError, http.client.HTTPException, ValueError) as error:
            last = briefly(str(getattr(error, "reason", error))) or type(error).__name__
            if isinstance(error, ValueError) or _is_disk(error):
                break
    raise WeightsUnreachableError(url, f"it cannot be fetched ({last})", "Check the connection")


def answers(url: str, seconds: float) -> bool:
    """Say whether there is something at a URL, after `seconds` at most."""
    found: list[bool] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with _opener().open(request, timeout=seconds) as response:
                found.append(response.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, http.client.HTTPException, ValueError):
            pass

    # Looking up a host's name has no timeout of its own, hence the thread.
    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    asker.join(seconds)
    return found == [True]


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens http and https alone, also where a server leads to something else."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _resume(url: str, target: Path, progress: Progress, seconds: float) -> None:
    have = target.stat().st_size if target.exists() else 0
    headers = {"User-Agent": _AGENT} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    with _opener().open(request, timeout=seconds) as response:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with target.open("ab" if have else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                progress(have, total)
    if total is not None and have < total:
        raise ConnectionError(f"the connection broke after {have} of {total} bytes")


def _is_disk(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (28, 122)  # ENOSPC, EDQUOT
