"""`engine serve`: answer over HTTP."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    DecodeSeconds,
    Json,
    MaxFileSize,
    MaxMegapixels,
    Precision,
    Runtime,
    Store,
    Threads,
    open_engine,
)
from engine.errors import UsageError

EXAMPLES = """Examples:

engine serve

engine serve --port 9000 --read-only

engine serve --host 0.0.0.0 --token-file token.txt --allow-host pictures.example.org
"""


def command(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port; 0 for a free one.")
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="Ask every client for the token in its first line; so does $ENGINE_TOKEN. Beyond "
            "this machine there is always one: it is made up where none is given.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A name that it may be asked by, beside localhost. Repeat for several.",
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Refuse whatever changes the store.")
    ] = False,
    root_path: Annotated[
        str,
        typer.Option("--root-path", metavar="PATH", help="The path below which a proxy shows it."),
    ] = "",
    threads: Threads = None,
    precision: Precision = None,
    runtime: Runtime = "auto",
    max_megapixels: MaxMegapixels = 100.0,
    max_file_size: MaxFileSize = None,
    decode_seconds: DecodeSeconds = 60.0,
    store: Store = None,
    json: Json = False,
) -> int:
    """Answer over HTTP what search, classify and the other commands answer.

    GET /openapi.json describes the routes. Pictures come in requests; files of this machine and
    URLs cannot be named. The address is printed when it can answer, with --json on stdout. Ctrl-C
    ends it: what was begun is finished first.
    """
    from cli.render import say, write_json

    try:
        from server.options import ServerOptions, is_loopback
        from server.run import serve
        from server.security.tokens import token_for
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        raise UsageError(
            "engine serve", f"{error.name} is not installed", "pip install 'image-engine[serve]'"
        ) from None
    token = token_for(token_file)
    made_up = token is None and not is_loopback(host)
    if made_up:
        token = secrets.token_urlsafe(24)
    options = ServerOptions(
        host=host,
        port=port,
        token=token,
        allowed_hosts=tuple(allow_host or ()),
        read_only=read_only,
        root_path=root_path,
    )
    settings = {
        "threads": threads,
        "precision": precision,
        "runtime": runtime,
        "max_megapixels": max_megapixels,
        "max_file_size": max_file_size,
        "decode_seconds": decode_seconds,
        "no_urls": True,
    }

    def listening(bound: ServerOptions) -> None:
        if json:
            write_json({"address": bound.address, "token": token if made_up else None})
        else:
            say(f"{bound.address}?token={token}" if made_up else bound.address)

    with open_engine(store, **settings) as engine:
        engine.start()
        if not serve(engine, options, listening):
            say("what took too long was left; everything that was committed is kept")
            sys.stdout.flush()
            # Threads use the engine still: it is not closed under them, nor waited for.
            os._exit(0)
    return 0


# Packages of the extra `serve`.
EXTRA = ("fastapi", "starlette", "uvicorn", "prometheus_client", "multipart", "pydantic")
