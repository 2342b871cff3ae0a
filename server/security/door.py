"""Who is let in: asked by a known name, from no other web site, with the token, not too often."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.options import ServerOptions, is_address, is_loopback
from server.responses.problems import RefusedError, busy, refused
from server.security.headers import RAW_HEADERS
from server.security.rates import ClientRates
from server.security.tokens import TokenCheck

if TYPE_CHECKING:
    from server.security.shared_rates import SharedRates

SAFE = {"GET", "HEAD", "OPTIONS"}
# What a browser says of where a request comes from, that is not a page of another site.
OWN_SITES = {"same-origin", "none"}
# Says nothing but that the service runs.
OPEN_PATHS = {"/healthz"}
# The page is the same for all, and says how to get in; what it shows is asked for with the token.
PAGE, PAGE_FILES = ("", "/"), "/page/"


class Door:
    """The outermost application: what it refuses, no route hears of.

    Parameters
    ----------
    app
        What answers the rest.
    options
        Whom to let in.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions) -> None:
        self._app = app
        self._options = options
        self._inside = 0
        self._rates = _rates(options)
        self._token = None
        if options.token:
            self._token = TokenCheck(
                options.token, options.once, options.shared and options.shared / "unused"
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            # Whether a proxy takes its path away or not.
            scope["root_path"] = self._options.root_path
            await self._http(scope, receive, _with_headers(send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._require_host(headers)
            self._require_own_site(scope, headers)
            self._require_rate(scope)
            # Before the token: a link that serves once is used up by being asked for.
            self._require_room()
            entrance = self._require_token(scope, headers)
        except RefusedError as refusal:
            await refused(refusal)(scope, receive, send)
            return
        self._inside += 1
        try:
            await (entrance or self._slash(scope) or self._app)(scope, receive, send)
        finally:
            self._inside -= 1

    def _require_room(self) -> None:
        limits = self._options.limits
        if self._inside >= limits.requests:
            reason = f"{self._inside} requests are being answered or sent"
            raise busy("this service", reason, limits.retry_seconds)

    def _require_host(self, headers: Headers) -> None:
        """Refuse a name of this machine that somebody else made up (DNS rebinding)."""
        given = headers.get("host", "")
        host = given.lower() if given.endswith("]") else given.lower().rpartition(":")[0]
        host = host or given.lower()
        # What is an address leads where it says.
        if host not in self._options.hosts and not is_address(host):
            raise RefusedError(
                400,
                "HostError",
                f"Host {given[:200]}",
                "this service is not known by that name",
                "Ask by localhost, or start it with --allow-host NAME",
            )

    def _require_own_site(self, scope: Scope, headers: Headers) -> None:
        """Refuse that a page of another site changes something, or makes this machine work."""
        method, site, origin = scope["method"], headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            # A link of another site may lead to the page, and to nothing else.
            follows = headers.get("sec-fetch-mode") == "navigate" and method == "GET"
            own = site in OWN_SITES or (follows and self._is_entrance(scope))
        else:
            # Older browsers; programs send neither.
            own = method in SAFE or origin is None or _netloc(origin) == headers.get("host")
        if not own:
            raise RefusedError(
                403,
                "OriginError",
                f"{method} from {(origin or site or '')[:200]}",
                "another web site may not ask for that",
                "Ask from the service's own page, or from a program",
            )

    def _require_rate(self, scope: Scope) -> None:
        client = (scope.get("client") or ("", 0))[0]
        if not client or is_loopback(client):
            return
        if wait := self._rates.wait(client):
            seconds = str(math.ceil(wait))
            raise RefusedError(
                429,
                "RateError",
                client,
                f"more than {self._options.limits.rate:g} requests a second",
                f"Try again in {seconds} s",
                {"Retry-After": seconds},
            )

    def _require_token(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """Return what answers the link that a browser begins with, None for all else."""
        if self._token is None or self._path(scope) in OPEN_PATHS:
            return None
        asks = scope["method"] in ("GET", "HEAD")
        if asks and self._is_entrance(scope):
            query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            given = [value for name, value in query if name == "token"]
            if given and self._token.opens(given[-1]):
                return self._entrance(scope, headers)
        shown = headers.get("authorization", ""), headers.get("cookie", "")
        if self._token.is_shown(*shown) or (asks and self._is_page(scope)):
            return None
        raise RefusedError(
            401,
            "TokenError",
            "this service",
            "a token is needed",
            "Open the link that it printed, or send `Authorization: Bearer TOKEN`",
            {"WWW-Authenticate": "Bearer"},
        )

    def _entrance(self, scope: Scope, headers: Headers) -> Response:
        assert self._token is not None
        root = self._options.root_path
        # A proxy before it says how it was asked; who lies about that loses the cookie alone.
        secure = "https" in (scope.get("scheme"), headers.get("x-forwarded-proto"))
        cookie = self._token.set_cookie(root, secure=secure)
        told = {"location": f"{root}/", "set-cookie": cookie, "cache-control": "no-store"}
        return Response(status_code=303, headers=told)

    def _slash(self, scope: Scope) -> Response | None:
        """Return what leads to the page from its address without the slash at the end."""
        # All that the page names lies below its address.
        root = self._options.root_path
        return (
            Response(status_code=308, headers={"location": f"{root}/"})
            if (root and scope["path"] == root)
            else None
        )

    def _is_entrance(self, scope: Scope) -> bool:
        return self._path(scope) in PAGE

    def _is_page(self, scope: Scope) -> bool:
        return self._is_entrance(scope) or self._path(scope).startswith(PAGE_FILES)

    def _path(self, scope: Scope) -> str:
        """Return the path below the root, whether a proxy has taken that away or not."""
        path, root = str(scope["path"]), self._options.root_path
        return path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path


def _rates(options: ServerOptions) -> ClientRates | SharedRates:
    limits = options.limits
    if options.shared is None:
        return ClientRates(limits.rate, limits.burst)
    from server.security.shared_rates import SharedRates

    return SharedRates(options.shared / "rates", limits.rate, limits.burst)


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *RAW_HEADERS]
        await send(message)

    return sent
