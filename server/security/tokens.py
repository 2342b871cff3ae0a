"""The secret that a client has to show: in a header, or a browser in a cookie."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from engine.errors import UsageError
from index.errors import reason_of

VARIABLE = "ENGINE_TOKEN"
LONGEST_FILE = 4096
# Services of one host with tokens of their own keep each other's cookies.
NAME_DIGITS = 8


def token_for(file: Path | None) -> str | None:
    """Return the token that a person has chosen, None where there is none.

    Parameters
    ----------
    file
        What it is the first line of; without it ENGINE_TOKEN counts.

    Raises
    ------
    UsageError
        The file cannot be read.
    """
    if file is not None:
        try:
            with open(file, encoding="ascii") as opened:
                lines = opened.read(LONGEST_FILE).splitlines()
        except (OSError, ValueError) as error:
            raise UsageError(file, reason_of(error), "Name a file with a token in it") from None
        return lines[0].strip() if lines else ""
    return os.environ.get(VARIABLE) or None


class TokenCheck:
    """Whether a request shows the token.

    Parameters
    ----------
    token
        What has to be shown.
    once
        What opens the link instead of it, one time.
    unused
        A file that is there until the link was opened, where several processes may be asked for it.

    Attributes
    ----------
    cookie_name
        Of the token, not of a port: browsers send cookies to all ports of a host, and who is let
        in by one of several processes with one token is let in by all.
    """

    def __init__(self, token: str, once: str | None = None, unused: Path | None = None) -> None:
        self._token = token.encode("ascii")
        self._once = once.encode("ascii") if once else None
        self._unused = unused
        self.cookie_name = f"engine_token_{self._hash('name')[:NAME_DIGITS]}"
        # What a browser keeps is no use elsewhere.
        self.cookie_value = self._hash("cookie")

    def _hash(self, purpose: str) -> str:
        return hashlib.sha256(f"{purpose}:".encode() + self._token).hexdigest()

    def is_token(self, given: str) -> bool:
        """Say whether a text is the token, in a time that tells nothing about it."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def opens(self, given: str) -> bool:
        """Say whether a text lets in who follows a link with it."""
        if self._once and hmac.compare_digest(given.encode("utf-8", "replace"), self._once):
            self._once = None
            return self._is_first()
        return self.is_token(given)

    def _is_first(self) -> bool:
        if self._unused is None:
            return True
        try:
            # Of several that unlink a file one succeeds.
            self._unused.unlink()
        except OSError:
            return False
        return True

    def is_shown(self, authorization: str, cookies: str) -> bool:
        """Say whether headers show it."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        # By hand: other services of this host send cookies that no parser has to understand.
        for cookie in cookies.split(";"):
            name, _, value = cookie.partition("=")
            if name.strip() == self.cookie_name and self._is_cookie_value(value.strip()):
                return True
        return False

    def _is_cookie_value(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.cookie_value.encode())

    def set_cookie(self, path: str, *, secure: bool) -> str:
        """Return the header that makes a browser show it from now on."""
        flags = "; Secure" if secure else ""
        value = f"{self.cookie_name}={self.cookie_value}; Path={path or '/'}"
        return f"{value}; HttpOnly; SameSite=Strict{flags}"
