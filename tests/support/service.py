"""`engine serve` as a process of its own, and questions to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.support import REPOSITORY

PATIENCE = 60.0


class Service:
    """A service that runs.

    Parameters
    ----------
    process
        Its process.
    link
        The address that it has printed.
    token
        What it is shown.
    """

    def __init__(self, process: subprocess.Popen[bytes], link: str, token: str = "") -> None:
        self.process = process
        self.address = link.rstrip("/")
        self.token = token

    def ask(
        self, path: str, body: object = None, method: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Return the status and the JSON, or else the bytes, of an answer.

        A body is bytes or becomes JSON.
        """
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and "content-type" not in named:
            named["content-type"] = "image/jpeg" if isinstance(body, bytes) else "application/json"
        if self.token and "cookie" not in named:
            named["authorization"] = f"Bearer {self.token}"
        request = Request(self.address + path, data, named, method=method)
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                text = answer.read()
                told = answer.headers.get_content_type() == "application/json"
                return answer.status, json.loads(text) if told else text
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield what is told of jobs."""
        shown = {"authorization": f"Bearer {self.token}"} if self.token else {}
        with urlopen(Request(self.address + path, headers=shown), timeout=PATIENCE) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))


@contextmanager
def running_service(
    store: str | Path, *arguments: str | Path, token: str = "", env: dict[str, str] | None = None
) -> Iterator[Service]:
    """Run a service on a free port for the length of a `with` block."""
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--store", store]
    variables = os.environ | {"PYTHONPATH": str(REPOSITORY)} | (env or {})
    with subprocess.Popen(
        [*command, *arguments], env=variables, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stderr is not None
            told = []
            for line in process.stderr:
                told.append(line)
                if found := re.search(rb"https?://\S+", line):
                    yield Service(process, found[0].decode(), token)
                    break
            else:
                raise AssertionError(b"".join(told).decode())
        finally:
            process.kill()
