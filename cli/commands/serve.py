"""`engine serve`: answer over HTTP."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

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

if TYPE_CHECKING:
    from engine.config import UrlLimits

EXAMPLES = """Examples:

engine serve --open

engine serve --port 9000 --read-only

engine serve --processes 2 --token-file token.txt

engine serve --host 0.0.0.0 --token-file token.txt --allow-host pictures.example.org
"""

MOST_PROCESSES = 64


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
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="DIR",
            help="Keep pictures that clients send to POST /v1/images as files of this folder.",
        ),
    ] = None,
    root_path: Annotated[
        str,
        typer.Option("--root-path", metavar="PATH", help="The path below which a proxy shows it."),
    ] = "",
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in your browser when it can answer.")
    ] = False,
    allow_urls: Annotated[
        bool,
        typer.Option(
            "--allow-urls",
            help="Fetch pictures that clients name by URLs: http and https of the public internet "
            "alone, on ports 80 and 443, up to 20 MB each.",
        ),
    ] = False,
    processes: Annotated[
        int,
        typer.Option(
            "--processes",
            min=1,
            max=MOST_PROCESSES,
            metavar="N",
            help="Answer by so many processes on one address, which share the cores; each has a "
            "backbone of its own in memory. One that dies is started again.",
        ),
    ] = 1,
    log: Annotated[
        str | None,
        typer.Option(
            "--log",
            metavar="FORM",
            help="Write a line on stderr for each request, json or text: never a token, a query or "
            "a picture.",
            show_default="no log",
        ),
    ] = None,
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

    GET /openapi.json describes the routes. Pictures come in requests; files of this machine cannot
    be named, and URLs only with --allow-urls. The address is printed when it can answer, with
    --json on stdout. Ctrl-C ends it: what was begun is finished first.
    """
    from cli.access_log import access_log
    from cli.browser import open_page
    from cli.render import say, write_json
    from cli.serve_process import ServeProcess

    require_extra()
    from server.options import ServerOptions, is_loopback
    from server.processes.run import serve
    from server.processes.supervisor import Supervisor, require_several
    from server.security.tokens import token_for

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
        folder=folder and folder.absolute(),
        urls=_url_limits() if allow_urls else None,
        once=secrets.token_urlsafe(24) if token is not None and open_browser else None,
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
        # Other users see what a browser is started with: not the token itself.
        link = f"{bound.address}?token={bound.once}" if bound.once else bound.address
        if open_browser and not open_page(link):
            say("there is no browser to be opened here")

    if processes > 1:
        require_several(processes)
        work = ServeProcess(store, settings, log, processes)
        return Supervisor(processes, options, work, say).run(listening)
    with open_engine(store, **settings) as engine:
        engine.start()
        with access_log(log) as heard:
            ended = serve(engine, options, listening, heard)
        if not ended:
            end_here()
    return 0


def require_extra() -> None:
    """Insist on the packages of the extra `serve`.

    Raises
    ------
    UsageError
        One is not installed.
    """
    try:
        import server.processes.run  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        raise UsageError(
            "engine serve", f"{error.name} is not installed", "pip install 'image-engine[serve]'"
        ) from None


def end_here() -> NoReturn:
    """End the process: threads use the engine still, it is not closed under them nor waited for."""
    from cli.render import say

    say("what took too long was left; everything that was committed is kept")
    sys.stdout.flush()
    os._exit(0)


def _url_limits() -> UrlLimits:
    """Return within which limits strangers' URLs are fetched.

    Raises
    ------
    UsageError
        ENGINE_NO_URLS says that none are.
    """
    from engine.config import urls_allowed
    from engine.pictures.urls import STRANGERS

    if not urls_allowed():
        raise UsageError("--allow-urls", "ENGINE_NO_URLS is set", "Use one of the two")
    return STRANGERS


# Packages of the extra `serve`.
EXTRA = (
    "fastapi",
    "starlette",
    "uvicorn",
    "httptools",
    "prometheus_client",
    "multipart",
    "python_multipart",
    "pydantic",
)
