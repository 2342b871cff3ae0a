"""Who is let in: asked by a known name, from no other web site, with the token, not too often."""

from __future__ import annotations

import math
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.options import ServerOptions, is_loopback
from server.problems import RefusedError, refused
from server.security.headers import RAW_HEADERS
from server.security.rates import ClientRates
from server.security.tokens import TokenCheck

SAFE = {"GET", "HEAD", "OPTIONS"}
# What a browser says of where a request comes from, that is not a page of another site.
OWN_SITES = {"same-origin", "none"}
# Says nothing but that the service runs.
OPEN_PATHS = {"/healthz"}


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
        self._rates = ClientRates(options.limits.rate, options.limits.burst)
        self._token = TokenCheck(options.token, options.port) if options.token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            # Whether a proxy takes its path away or not.
            scope = {**scope, "root_path": self._options.root_path}
            await self._http(scope, receive, _with_headers(send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._require_host(headers)
            self._require_own_site(scope["method"], headers)
            self._require_rate(scope)
            entrance = self._require_token(scope, headers)
        except RefusedError as refusal:
            await refused(refusal)(scope, receive, send)
            return
        await (entrance or self._app)(scope, receive, send)

    def _require_host(self, headers: Headers) -> None:
        """Refuse a name of this machine that somebody else made up (DNS rebinding)."""
        given = headers.get("host", "")
        host = given.lower() if given.endswith("]") else given.lower().rpartition(":")[0] or given
        if host.lower() not in self._options.hosts:
            raise RefusedError(
                400,
                "HostError",
                f"Host {given[:200]}",
                "this service is not known by that name",
                "Ask by localhost, or start it with --allow-host NAME",
            )

    def _require_own_site(self, method: str, headers: Headers) -> None:
        """Refuse that a page of another site changes something, or makes this machine work."""
        if method in SAFE:
            return
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if site is not None:
            own = site in OWN_SITES
        else:
            # Older browsers; programs send neither.
            own = origin is None or urlsplit(origin).netloc == headers.get("host")
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
        if self._token is None or scope["path"] in OPEN_PATHS:
            return None
        if scope["method"] == "GET" and b"token=" in scope["query_string"]:
            query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            given = [value for name, value in query if name == "token"]
            if given and self._token.is_token(given[-1]):
                rest = urlencode([each for each in query if each[0] != "token"])
                return self._entrance(scope, rest)
        shown = headers.get("authorization", ""), headers.get("cookie", "")
        if self._token.is_shown(*shown):
            return None
        raise RefusedError(
            401,
            "TokenError",
            "this service",
            "a token is needed",
            "Open the link that it printed, or send `Authorization: Bearer TOKEN`",
            {"WWW-Authenticate": "Bearer"},
        )

    def _entrance(self, scope: Scope, query: str) -> Response:
        assert self._token is not None
        root = self._options.root_path
        # Beginning with one slash alone: two would name another host.
        path = f"{root}/{scope['path'].removeprefix(root).lstrip('/')}"
        cookie = self._token.set_cookie(root, secure=scope.get("scheme") == "https")
        location = f"{path}?{query}" if query else path
        headers = {"location": location, "set-cookie": cookie, "cache-control": "no-store"}
        return Response(status_code=303, headers=headers)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *RAW_HEADERS]
        await send(message)

    return sent
