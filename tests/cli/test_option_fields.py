"""Options that commands take from a dataclass: one field, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from cli.commands import compare, finetune, train
from cli.option_fields import parse_seconds, takes_options
from engine import CompareOptions, FinetuneOptions, TrainOptions, UsageError
from engine.options import SECONDS, Option, check_options, option_fields


@dataclass(frozen=True, slots=True)
class Oven:
    """One option of each kind; nothing else anywhere knows about them."""

    heat: Annotated[float, Option("How hot.", minimum=20.0, maximum=300.0)]
    racks: Annotated[
        tuple[int, ...], Option("Which racks.", minimum=1, metavar="N,N,...", written="0")
    ] = ()
    dishes: Annotated[tuple[str, ...], Option("What is in it.", shown="whatever fits")] = ()
    fan: Annotated[bool, Option("Move the air.")] = True
    light: Annotated[bool, Option("Show it.")] = False
    rest: Annotated[float | None, Option("How long after.", unit=SECONDS, names=("--wait",))] = None
    secret: Annotated[int, Option()] = 7

    def __post_init__(self) -> None:
        """Refuse what no oven does."""
        check_options(self)


@dataclass
class Ovens:
    """A command line that bakes, and what it was given."""

    app: typer.Typer
    options: list[Any]

    def bake(self, *arguments: str) -> Any:
        """Return what the command made of a command line."""
        done = CliRunner().invoke(self.app, arguments, standalone_mode=False)
        if done.exception:
            raise done.exception
        return self.options[-1]


@pytest.fixture
def ovens() -> Ovens:
    """A command that takes an oven's options between two of its own."""
    given: list[Any] = []

    @takes_options(Oven)
    def command(
        dish: Annotated[str, typer.Argument()],
        salt: Annotated[bool, typer.Option("--salt")] = False,
        *,
        options: Oven,
        pepper: Annotated[bool, typer.Option("--pepper")] = False,
    ) -> int:
        given.append(options)
        return 0

    app = typer.Typer(add_completion=False)
    app.command()(command)
    return Ovens(app, given)


def test_a_field_is_an_option_with_its_name_default_and_help(ovens: Ovens) -> None:
    params: dict[str, Any] = {each.name: each for each in typer.main.get_command(ovens.app).params}
    assert params["heat"].required and params["heat"].opts == ["--heat"]
    assert params["heat"].help == "How hot."
    assert (params["racks"].metavar, params["racks"].default) == ("N,N,...", "0")
    assert params["dishes"].show_default == "whatever fits"
    assert params["fan"].secondary_opts == ["--no-fan"]
    assert params["light"].opts == ["--light"] and not params["light"].secondary_opts
    assert params["rest"].opts == ["--wait"]


def test_a_field_without_help_is_for_python_alone(ovens: Ovens) -> None:
    assert "secret" not in [each.name for each in typer.main.get_command(ovens.app).params]
    assert ovens.bake("pie", "--heat", "200").secret == 7


def test_options_stand_where_the_command_takes_them_the_required_first(ovens: Ovens) -> None:
    names = [each.name for each in typer.main.get_command(ovens.app).params]
    assert names[:4] == ["dish", "heat", "salt", "racks"]
    assert names[-2:] == ["rest", "pepper"]


def test_what_is_given_arrives_as_the_fields_type(ovens: Ovens) -> None:
    line = "--heat 200 --racks 2,4 --dishes pie,bread --no-fan --light --wait 1.5m"
    wanted = Oven(200.0, (2, 4), ("pie", "bread"), fan=False, light=True, rest=90.0)
    assert ovens.bake("pie", *line.split()) == wanted


@pytest.mark.parametrize("racks", ["0", "", " "])
def test_the_default_may_be_written_out(ovens: Ovens, racks: str) -> None:
    assert ovens.bake("pie", "--heat", "200", "--racks", racks) == Oven(200.0)


@pytest.mark.parametrize("racks", ["two", "1.5", "1,-2", "1;2"])
def test_what_is_no_list_of_whole_numbers_is_refused(ovens: Ovens, racks: str) -> None:
    with pytest.raises(UsageError, match=f"--racks {racks}: these are no whole numbers"):
        ovens.bake("pie", "--heat", "200", "--racks", racks)


@pytest.mark.parametrize("heat", ["19", "301", "nan", "inf", "-inf", "hot"])
def test_a_number_out_of_its_range_is_wrong_use(ovens: Ovens, heat: str) -> None:
    # typer sees most of them, the engine's own check the others: both end with code 2.
    with pytest.raises(Exception) as caught:
        ovens.bake("pie", "--heat", heat)
    assert getattr(caught.value, "exit_code", None) == 2
    assert not ovens.options


def test_each_part_of_a_list_is_held_to_the_range(ovens: Ovens) -> None:
    with pytest.raises(UsageError, match=r"racks 0: it is out of range\. Use 1 or more"):
        ovens.bake("pie", "--heat", "200", "--racks", "2,0")


COMMANDS: list[tuple[Callable[..., int], Any, tuple[str, ...]]] = [
    (train.command, TrainOptions(), ("--head", "x", "photos")),
    (finetune.command, FinetuneOptions("block6"), ("--from", "block6", "--name", "x", "photos")),
    (compare.command, CompareOptions(), ("photos",)),
]


@pytest.mark.parametrize(("command", "options", "line"), COMMANDS, ids=["train", "tune", "compare"])
def test_a_command_without_options_asks_for_the_defaults(
    command: Callable[..., int], options: Any, line: tuple[str, ...]
) -> None:
    asked: list[Any] = []
    kind = type(options)

    @takes_options(kind)
    def recorded(options: Any) -> int:
        asked.append(options)
        return 0

    app = typer.Typer()
    app.command()(command)
    context = typer.main.get_command(app).make_context("engine", list(line))
    names = [each.name for each in option_fields(kind) if each.option.help]
    recorded(**{name: context.params[name] for name in names})
    assert asked == [options]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), (" 5M ", 300.0), ("1.5h", 5400.0)]
)
def test_a_time_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 minutes", "0", "-5m", "1d", "nan"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="this is no time"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ([], ()),
        (["--optimizer", "adamw"], ("optimizer",)),
        (["--hidden", "0", "--seed", "0"], ("hidden", "seed")),
        (["--budget", "2m"], ("budget",)),
    ],
    ids=["nothing", "a default", "two defaults", "a time"],
)
def test_what_was_written_out_is_told_from_what_was_not(line: list[str], given: Any) -> None:
    asked: list[TrainOptions] = []

    @takes_options(TrainOptions)
    def command(options: TrainOptions) -> int:
        asked.append(options)
        return 0

    app = typer.Typer(add_completion=False)
    app.command()(command)
    done = CliRunner().invoke(app, line, standalone_mode=False)
    assert done.exception is None
    assert set(asked[0].given) == set(given)
    assert asked[0].budget == (120.0 if given == ("budget",) else 15.0)
