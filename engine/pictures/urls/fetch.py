"""Fetching one small image over HTTP within limits that no server can stretch.

One deadline holds for everything: looking up names, connecting, TLS, each byte of each answer, and
all redirects. Every read from the socket waits for what is left of the time and no longer, so it
does not matter of what a server sends a byte now and then. All that is read is counted, so a server
that floods is cut off as well, whatever of the protocol it floods with.
"""

from __future__ import annotations

import http.client
from contextlib import closing
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
    fetching = Fetching(limits, announce, look_up, monotonic() + limits.seconds)
    try:
        at = url
        for _ in range(limits.redirects + 1):
            target = target_of(at)
            with closing(fetching.connection(target)) as stream:
                answer = _ask(stream, target)
                location = answer.headers.get("Location")
                if answer.status not in _REDIRECTS or not location:
                    return _body(answer, limits)
                at = urljoin(at, location)
    except RefusedError as refused:
        raise FetchError(url, briefly(str(refused)), refused.remedy) from None
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


def _ask(stream: Stream, target: Target) -> http.client.HTTPResponse:
    """Send the request, and return the answer as far as its headers."""
    connection = Request(stream)
    plain_proxy = stream.proxy if target.scheme == "http" else None
    path = f"http://{target.authority}{target.path}" if plain_proxy else target.path
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", target.authority)
    connection.putheader("User-Agent", _AGENT)
    connection.putheader("Connection", "close")
    if plain_proxy:
        authorize(connection, plain_proxy)
    connection.endheaders()
    return connection.getresponse()


def _body(answer: http.client.HTTPResponse, limits: UrlLimits) -> bytes:
    if not 200 <= answer.status < 300:
        raise RefusedError(f"the server answered {answer.status} {answer.reason}".rstrip())
    if answer.length is not None and answer.length > limits.bytes:
        raise too_large(limits)
    parts: list[bytes] = []
    size = 0
    while chunk := answer.read1(CHUNK):
        size += len(chunk)
        if size > limits.bytes:
            raise too_large(limits)
        parts.append(chunk)
    if answer.length:
        raise ConnectionError(f"the connection broke after {size} bytes")
    return b"".join(parts)
