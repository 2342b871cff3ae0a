"""Every command says what it does, and the page in docs/ says the same."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import main
from cli.docs import command_line_page
from cli.docs import main as write_page
from cli.main import command_line
from tests.support import REPOSITORY

PAGE = REPOSITORY / "docs" / "command-line.md"


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield " ".join(path), command
    for name, subcommand in subcommands.items():
        yield from _commands(subcommand, (*path, name))


COMMANDS: dict[str, Any] = dict(_commands(typer.main.get_command(command_line(*main.COMMANDS))))
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
    folder = REPOSITORY / "cli" / "commands"
    files = {path.stem for path in folder.rglob("[!_]*.py")}
    assert set(main.COMMANDS) == files
    assert {path.stem for path in (folder / "rare").glob("[!_]*.py")} == main.RARE
    assert {name.split()[0] for name in COMMANDS} == files


def test_each_command_has_a_line_of_the_overview(
    quick: Callable[..., subprocess.CompletedProcess[bytes]],
) -> None:
    lines = quick("--help").stdout.decode().splitlines()
    for name, summary in main.COMMANDS.items():
        assert any(line.split()[1:] == f"{name} {summary} │".split() for line in lines)


def test_the_overview_imports_no_command() -> None:
    code = "import sys, cli.main; cli.main.exit_code(['--help']); print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: engine" in done.stdout
    assert "cli.commands" not in done.stdout.splitlines()


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


def test_the_page_is_written_to_the_file_that_is_named(tmp_path: Path) -> None:
    write_page([str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == command_line_page()


def test_a_request_for_help_is_no_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        write_page(["--help"])
    assert "FILE" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
