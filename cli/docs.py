"""The page docs/command-line.md, made from what `--help` is made from.

python -m cli.docs docs/command-line.md
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from cli.main import COMMANDS, command_line

_HEAD = """# The command line

This page is made from the commands' own `--help` by `make docs`; a test holds it current.

stdout is the answer, stderr is the conversation: skips, notes, progress bars (on a terminal only).
Every command that answers takes `--json`. Colours appear on terminals only; `NO_COLOR` is honoured.

Names of files, labels, categories and heads may hold anything; what is printed for people never
holds a control character or a mark that turns the direction of writing: an escape character is
shown as `\\x1b`. JSON escapes them its own way. `--paths`, `--null` and `--csv` are for programs:
in a pipe or a file names are the bytes they are, on a terminal they are shown like all others.
Cells of CSV that a spreadsheet would run come after an apostrophe (docs/catalog.md).

| exit code | meaning |
|---|---|
| 0 | all is well |
| 1 | an error; the line on stderr names the thing, the reason and the remedy |
| 2 | the command was used wrongly; nothing was done |
| 3 | done, but something was skipped: stderr names ten, `--json` and `--failed FILE` all |
| 130 | interrupted; everything finished so far is kept |

| environment variable | meaning |
|---|---|
| `ENGINE_STORE` | the store to use, unless `--store` names one |
| `ENGINE_CACHE` | where weights and compiled models are kept |
| `ENGINE_DATA` | where fine-tuned backbones are kept, and the indexes of stores in databases |
| `ENGINE_BACKBONE` | the backbone of new catalogs, unless `--backbone` names one |
| `ENGINE_WEIGHTS_MIRROR` | fetch weights from this address instead of their publisher's |
| `ENGINE_CATALOG_URL` | keep the catalog in another database, and the index in the store's folder |
| `ENGINE_NO_URLS` | refuse pictures named by a URL, as `--no-urls` does |
| `ENGINE_DEBUG` | show a traceback with unexpected errors |
"""


def command_line_page() -> str:
    """Return the page as Markdown."""
    group: Any = typer.main.get_command(command_line(*COMMANDS))
    return "\n".join([_HEAD, *_commands(group, ["engine"])])


def _commands(command: Any, path: list[str]) -> Iterator[str]:
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield from _section(command, " ".join(path))
    for name, subcommand in subcommands.items():
        yield from _commands(subcommand, [*path, name])


def _section(command: Any, name: str) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    usage = " ".join([name, *map(_argument, arguments), "[OPTIONS]"])
    yield f"## {name}\n\n```\n{usage}\n```\n\n{_paragraphs(command.help)}\n"
    rows = [(_argument(param), param) for param in arguments]
    rows += [(_option(param), param) for param in options if param.name != "help"]
    if rows:
        yield "| | | default |\n|---|---|---|"
        for text, param in rows:
            cells = (f"`{text}`", param.help or "", _default(param))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""
    if command.epilog:
        examples = command.epilog.removeprefix("Examples:").strip().replace("\n\n", "\n")
        yield f"```\n{examples}\n```\n"


def _argument(param: Any) -> str:
    name = param.metavar or param.name.upper()
    return f"{name}..." if param.nargs == -1 else str(name)


def _option(param: Any) -> str:
    names = ", ".join(param.opts)
    return names if param.is_flag else f"{names} {param.metavar or 'N'}"


def _default(param: Any) -> str:
    if isinstance(param.show_default, str):
        return param.show_default
    if param.default in (None, False, ()) or param.required or callable(param.default):
        return ""
    return f"`{param.default}`"


def _paragraphs(text: str | None) -> str:
    blocks = (text or "").strip().split("\n\n")
    return "\n\n".join(" ".join(block.split()) for block in blocks)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page to the file that is named."""
    parser = argparse.ArgumentParser(prog="python -m cli.docs", description=__doc__)
    parser.add_argument("page", type=Path, metavar="FILE")
    parser.parse_args(arguments).page.write_text(command_line_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
