"""Every command says what it does, and the page in docs/ says the same."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli.docs import command_line_page
from cli.main import command_line
from tests.support import REPOSITORY

PAGE = REPOSITORY / "docs" / "command-line.md"


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield " ".join(path), command
    for name, subcommand in subcommands.items():
        yield from _commands(subcommand, (*path, name))


COMMANDS: dict[str, Any] = dict(_commands(typer.main.get_command(command_line())))
EXAMPLES = [
    line
    for command in COMMANDS.values()
    for line in (command.epilog or "").removeprefix("Examples:").splitlines()
    if line.strip()
]


def _options(command: Any) -> set[str]:
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == command_line_page(), "run `make docs`"


def test_the_table_of_contents_is_complete() -> None:
    files = {path.stem for path in (REPOSITORY / "cli" / "commands").glob("[!_]*.py")}
    assert {name.split()[0] for name in COMMANDS} == files


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_in_full_sentences(name: str) -> None:
    text = COMMANDS[name].help
    assert text
    assert text.strip().endswith(".")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_says_what_it_is(name: str) -> None:
    silent = [param.name for param in COMMANDS[name].params if not param.help]
    assert not silent


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_shows_examples_of_itself(name: str) -> None:
    epilog = COMMANDS[name].epilog
    assert epilog.startswith("Examples:\n")
    assert f"engine {name}" in epilog


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_that_answers_takes_json(name: str) -> None:
    assert "--json" in _options(COMMANDS[name])


@pytest.mark.parametrize("line", EXAMPLES)
def test_each_example_runs_engine_with_options_that_exist(line: str) -> None:
    calls = re.findall(r"(?:^|\| |xargs -0 )engine ([^|>]+)", line)
    assert calls
    for call in calls:
        words = shlex.split(call)
        [name] = [each for each in COMMANDS if f"{call.strip()} ".startswith(f"{each} ")]
        options = {word for word in words if re.match(r"--?[a-zA-Z]", word)}
        assert options <= _options(COMMANDS[name])
