"""Fetching one small image over HTTP within limits that no server can stretch.

One deadline holds for everything: looking up names, connecting, TLS, each byte of each answer, and
all redirects. Every read from the socket waits for what is left of the time and no longer, so it
does not matter of what a server sends a byte now and then. All that is read is counted, so a server
that floods is cut off as well, whatever of the protocol it floods with.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from urllib.parse import quote, urljoin, urlsplit

from engine.config import UrlLimits
from engine.errors import FetchError
from engine.pictures.urls.addresses import look_up
from engine.pictures.urls.connection import (
    CHECK,
    PORTS,
    Announce,
    Fetching,
    LookUp,
    RefusedError,
    Request,
    Stream,
    Target,
    authorize,
    too_large,
)
from index.errors import briefly

CHUNK = 1 << 18
_REDIRECTS = (301, 302, 303, 307, 308)
_AGENT = "image-engine"
# Left as they are in a path or query, beside what no URL needs to quote.
_SAFE = "/%:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says of what it sends.

    Attributes
    ----------
    url
        Where it lies: a server may have led elsewhere.
    length
        Of its bytes; None where the server does not say.
    headers
        By their names in small letters.
    """

    url: str
    length: int | None
    headers: Mapping[str, str]


def fetch_bytes(
    url: str, limits: UrlLimits, announce: Announce, *, look_up: LookUp = look_up
) -> bytes:
    """Return what a URL holds.

    Parameters
    ----------
    announce
        Hears where the address is of this machine or of an internal network.
    look_up
        What finds the addresses of a host and a port, in so many seconds.

    Raises
    ------
    FetchError
        It does not answer, takes too long, holds too much, leads too far, or lies where nothing
        may be fetched.
    """
    parts: list[bytes] = []
    fetch(url, limits, announce, parts.append, look_up=look_up)
    return b"".join(parts)


def fetch(
    url: str,
    limits: UrlLimits,
    announce: Announce,
    receive: Callable[[bytes], object] | None = None,
    *,
    begin: Callable[[Answer], None] = lambda answer: None,
    look_up: LookUp = look_up,
) -> Answer:
    """Hand over what a URL holds piece by piece, and return what the server says of it.

    Parameters
    ----------
    receive
        Hears the pieces; None to ask for no more than what the server says.
    begin
        Hears what the server says before the first piece.

    Raises
    ------
    FetchError
        As of `fetch_bytes`; `status` is what the server answered, where it did.
    """
    fetching = Fetching(limits, announce, look_up, monotonic() + limits.seconds)
    try:
        at = url
        for _ in range(limits.redirects + 1):
            target = target_of(at)
            with closing(fetching.connection(target)) as stream:
                answer = _ask(stream, target, "HEAD" if receive is None else "GET")
                location = answer.headers.get("Location")
                if answer.status not in _REDIRECTS or not location:
                    found = _accepted(answer, at, limits)
                    begin(found)
                    if receive is not None:
                        _receive(answer, limits, receive)
                    return found
                at = urljoin(at, location)
    except RefusedError as refused:
        failure = FetchError(url, briefly(str(refused)), refused.remedy)
        failure.status = refused.status
        raise failure from None
    except TimeoutError:
        reason = f"it took longer than {limits.seconds:g} s"
        remedy = "Try again later, or save the picture and name the file"
        raise FetchError(url, f"it cannot be fetched ({reason})", remedy) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = briefly(str(error)) or type(error).__name__
        remedy = f"{CHECK} and the connection"
        raise FetchError(url, f"it cannot be fetched ({reason})", remedy) from None
    raise FetchError(url, f"it leads on more than {limits.redirects} times", CHECK)


def target_of(url: str) -> Target:
    """Return where a request for a URL goes."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS:
        raise RefusedError(
            f"it leads to {parts.scheme or 'no scheme'}:, and http and https are fetched"
        )
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise RefusedError("it names no host, or a user beside it")
    host = parts.hostname if parts.hostname.isascii() else _ascii(parts.hostname)
    path = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        path += f"?{quote(parts.query, safe=_SAFE)}"
    return Target(parts.scheme, host, parts.port or PORTS[parts.scheme], path)


def _ascii(host: str) -> str:
    return host.encode("idna").decode("ascii")


def _ask(stream: Stream, target: Target, method: str = "GET") -> http.client.HTTPResponse:
    """Send the request, and return the answer as far as its headers."""
    connection = Request(stream)
    plain_proxy = stream.proxy if target.scheme == "http" else None
    path = f"http://{target.authority}{target.path}" if plain_proxy else target.path
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", target.authority)
    connection.putheader("User-Agent", _AGENT)
    connection.putheader("Connection", "close")
    if plain_proxy:
        authorize(connection, plain_proxy)
    connection.endheaders()
    return connection.getresponse()


def _accepted(answer: http.client.HTTPResponse, url: str, limits: UrlLimits) -> Answer:
    """Return what a server says, where it has what was asked for and that is not too much."""
    if not 200 <= answer.status < 300:
        reason = f"the server answered {answer.status} {answer.reason}".rstrip()
        raise RefusedError(reason, status=answer.status)
    if answer.length is not None and answer.length > limits.bytes:
        raise too_large(limits)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    stated = headers.get("content-length", "")
    length = int(stated) if stated.isdecimal() and len(stated) < 19 else None
    return Answer(url, length, headers)


def _receive(
    answer: http.client.HTTPResponse, limits: UrlLimits, receive: Callable[[bytes], object]
) -> None:
    size = 0
    while chunk := answer.read1(CHUNK):
        size += len(chunk)
        if size > limits.bytes:
            raise too_large(limits)
        receive(chunk)
    if answer.length:
        raise ConnectionError(f"the connection broke after {size} bytes")
