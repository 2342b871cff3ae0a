"""A share of the torture run: every attack, as often as in two minutes beside other tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY
from tests.torture.__main__ import ATTACKS, Tally
from tests.torture.case import BAD, Result, WrongAnswerError, run

# Of what half an hour is for: some 200 cases, on a busy machine, too.
SHARE = 0.05
SEED = 20


@pytest.mark.slow
def test_a_share_of_every_attack(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    # In a process of its own: it forks, and this one may have threads.
    run_it = [sys.executable, "-m", "tests.torture", "--share", str(SHARE), "--seed", str(SEED)]
    done = subprocess.run(
        [*run_it, "--state", state], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tally = Tally(state, 0)
    assert tally.seed == SEED, "it can be resumed"
    assert all(tally.done(make.name) for make in ATTACKS), done.stdout


def _dies() -> str:
    import ctypes
    import faulthandler

    faulthandler.disable()  # pytest's own words about it are of no use here
    ctypes.string_at(0)
    return "survived"


def _sleeps() -> str:
    import time

    time.sleep(60)
    return "survived"


def _lies() -> str:
    raise WrongAnswerError("0.5 is not 0.7")


def _stumbles() -> str:
    raise KeyError("x")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "outcome"),
    [(_dies, "crash"), (_sleeps, "hang"), (_lies, "wrong"), (_stumbles, "unexplained")],
)
def test_what_must_fail_the_run_is_counted_as_that(function: object, outcome: str) -> None:
    assert run(function, 2.0).outcome == outcome  # type: ignore[arg-type]
    assert outcome in BAD


def test_a_failure_can_be_repeated_by_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally(None, 1)
    tally.done("damage")
    tally.note("damage", 17, Result("wrong", "a.bmp has a score of 0.5"))
    assert tally.failures == ["--only damage --case 17: wrong: a.bmp has a score of 0.5"]
    assert capsys.readouterr().out.strip() == tally.failures[0]
