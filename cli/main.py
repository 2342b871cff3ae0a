"""The command `engine`: its table of contents, and what becomes of errors."""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import typer

from engine.errors import EngineError

INTERRUPTED = 130
# Starting makes some 170,000 objects that all live to the end. Python would look through them again
# and again for garbage, for a quarter of a search; the engine's own work leaves none behind.
OBJECTS_BEFORE_COLLECTION = 200_000
# typer carries a copy of click, in another place in each release; its base of errors is found by
# name in what typer makes public.
_USAGE_ERROR: Any = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)

# The table of contents. Each is a module of `cli/commands`, or of its folder `rare`; those with an
# `app` have verbs of their own.
COMMANDS = {
    "index": "Look at every picture in folders once and remember it.",
    "search": "Find the images that look most like a picture.",
    "classify": "Say what pictures show.",
    "train": "Add categories, from a few dozen pictures of each.",
    "finetune": "Train the last blocks of a backbone on your pictures.",
    "compare": "Compare frozen backbones with training from scratch.",
    "evaluate": "Say how often the engine is right.",
    "report": "Tell how good a head is, and how it came to be.",
    "suspects": "Find pictures whose label is doubted.",
    "duplicates": "Find images that are the same, or nearly.",
    "status": "Say what the store holds, and check it.",
    "remove": "Forget images; their files are left alone.",
    "compact": "Give back the room that removed images took.",
    "relocate": "Tell the catalog that pictures lie elsewhere now.",
    "export": "Write all embeddings, and what is known of each image.",
    "serve": "Answer over HTTP, for programs and pages.",
    "demo": "Draw a small furniture catalog and try everything on it.",
    "backbones": "List backbones; fetch or import their weights.",
    "heads": "List, show, export, import and delete heads.",
    "cost": "Reckon what many images cost to embed and to keep.",
}
RARE = {"compact", "cost", "export"}


def command_line(*names: str) -> typer.Typer:
    """Return the command `engine`, with those of its commands that are named."""
    app = _without_commands()
    for name in names:
        folder = "cli.commands.rare" if name in RARE else "cli.commands"
        module = import_module(f"{folder}.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name, epilog=module.EXAMPLES)(module.command)
    return app


def overview() -> typer.Typer:
    """Return the command `engine`, all of whose commands have a summary and do nothing.

    It answers `engine --help` and names that do not exist. To import all commands and describe
    their options takes as long as all the rest.
    """
    app = _without_commands()
    for name, summary in COMMANDS.items():
        app.command(name, help=summary)(_nothing)
    return app


def _without_commands() -> typer.Typer:
    app = typer.Typer(
        name="engine",
        help="Find pictures that look alike, and say what they show.\n\n"
        "Start with `engine index FOLDER`, then `engine search PICTURE` and "
        "`engine classify PICTURE`. Without pictures at hand, `engine demo` draws some.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(main)
    return app


def _nothing() -> None:
    pass


def _version(wanted: bool) -> None:
    if wanted:
        from engine import __version__

        typer.echo(f"engine {__version__}")
        raise typer.Exit


def main(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Say which release this is."
    ),
) -> None:
    """Take options that belong to no command."""


def run() -> None:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION, *gc.get_threshold()[1:])
    code = exit_code(sys.argv[1:])
    # Nor is there a reason to look for garbage among them once more on the way out.
    gc.freeze()
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process, whatever native code goes on in threads that were late."""
    prefetch = sys.modules.get("engine.pictures.threads.prefetch")
    if prefetch is not None and prefetch.any_left():
        # Python would wait for a lock that one of them may hold, such as that of standard input,
        # or end one within C++, which ends the process by a signal.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def exit_code(arguments: list[str], application: typer.Typer | None = None) -> int:
    """Run one command line; return 0, 1, 2, 3 or 130 as docs/command-line.md says."""
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    asked = [each for each in arguments[:1] if each in COMMANDS]
    app = application or (command_line(*asked) if asked else overview())

    def command() -> int:
        # Not through typer's own main: that is silent about an interrupt, and to it a reader that
        # has gone is an error.
        with typer.main.get_command(app).make_context("engine", arguments) as context:
            return int(context.command.invoke(context) or 0)

    return code_of(command)


def code_of(command: Callable[[], int]) -> int:
    """Return the exit code of what a command does, and tell its error."""
    try:
        return command()
    except typer.Exit as left:
        return int(left.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return _say("interrupted; everything finished so far is kept", INTERRUPTED)
    except _USAGE_ERROR as error:
        # With what was typed, which a script may have from a file's name.
        text = io.StringIO()
        error.show(text)
        return _say_lines(text.getvalue(), int(error.exit_code))
    except EngineError as error:
        return _say(f"error: {error}", error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone (`engine search ... | head`): that is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("ENGINE_DEBUG"):
            _say_lines(traceback.format_exc(), 1)
        detail = f"{type(error).__name__}: {error}".splitlines()[0]
        return _say(
            f"error: {detail}. This should not happen; set ENGINE_DEBUG=1 to see where, and "
            "please report it",
            1,
        )


def _say(text: str, code: int) -> int:
    from cli.render import say

    say(text)
    return code


def _say_lines(text: str, code: int) -> int:
    for line in text.rstrip("\n").split("\n"):
        _say(line, code)
    return code


if __name__ == "__main__":
    run()
