"""What a run could not use is named: a few lines on stderr, all of it in a file."""

from __future__ import annotations

import csv
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.failures import failures_named, tell_failures
from engine.errors import EngineError, ImageError, UsageError
from engine.skipped import Skipped

Captured = pytest.CaptureFixture[bytes]
Run = Callable[..., subprocess.CompletedProcess[bytes]]
NOT_UTF8 = os.fsdecode(b"caf\xe9.jpg")


def skips(count: int) -> list[Skipped]:
    """Return so many failures."""
    return [Skipped(f"{number}.jpg", "it is empty", "Copy it again") for number in range(count)]


def lines(captured: Captured) -> list[str]:
    """Return what was said, line by line."""
    return captured.readouterr().err.decode().splitlines()


def rows_of(file: Path) -> list[list[str]]:
    """Return the rows of a file of failures."""
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as opened:
        return list(csv.reader(opened))


def test_skips_are_told_one_a_line_with_path_reason_and_hint(capfdbinary: Captured) -> None:
    assert tell_failures(skips(1)) == 3
    assert lines(capfdbinary) == ["skipped 0.jpg: it is empty. Copy it again"]


def test_without_failures_all_is_well(capfdbinary: Captured) -> None:
    assert tell_failures([]) == 0
    assert capfdbinary.readouterr() == (b"", b"")


def test_of_many_skips_ten_are_told_and_the_others_counted(capfdbinary: Captured) -> None:
    tell_failures(skips(67))
    said = lines(capfdbinary)
    assert len(said) == 11
    assert said[-1] == "and 57 more; --failed FILE writes all of them"


def test_ten_skips_are_all_told(capfdbinary: Captured) -> None:
    tell_failures(skips(10))
    assert len(lines(capfdbinary)) == 10


def test_rows_that_were_not_used_are_counted_and_shown_by_example(capfdbinary: Captured) -> None:
    assert tell_failures([], unused_labels=skips(5)) == 3
    first, *examples, last = lines(capfdbinary)
    assert first == "5 rows of the table of labels could not be used:"
    assert examples == [f"unused {n}.jpg: it is empty. Copy it again" for n in range(3)]
    assert last == "and 2 more; --failed FILE writes all of them"


def test_a_file_holds_all_failures(capfdbinary: Captured, tmp_path: Path) -> None:
    file = tmp_path / "failed.csv"
    odd = Skipped(NOT_UTF8, 'no "picture", at all', "Install it", "HEIC")
    tell_failures([*skips(30), odd], file, unused_labels=skips(1))
    header, *rows = rows_of(file)
    assert header == ["path", "reason", "remedy", "format"]
    assert rows[0] == ["0.jpg", "it is empty", "Copy it again", ""]
    assert rows[30] == [NOT_UTF8, 'no "picture", at all', "Install it", "HEIC"]
    assert len(rows) == 32
    assert f"and 21 more; {file} has all of them" in lines(capfdbinary)


def test_without_failures_a_file_is_its_heading(tmp_path: Path) -> None:
    tell_failures([], tmp_path / "failed.csv")
    assert rows_of(tmp_path / "failed.csv") == [["path", "reason", "remedy", "format"]]


def test_a_file_that_exists_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(UsageError, match="exists already"), failures_named(tmp_path / "mine.csv"):
        pytest.fail("the block was entered")
    with (
        pytest.raises(UsageError, match="add --force"),
        failures_named(tmp_path / "mine.csv", force=False),
    ):
        pytest.fail("the block was entered")
    with failures_named(tmp_path / "mine.csv", force=True):
        pass
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="the failures cannot be written"):
        tell_failures(skips(1), tmp_path / "none" / "failed.csv")


def test_an_error_s_failures_are_told_and_written(capfdbinary: Captured, tmp_path: Path) -> None:
    error = EngineError("folder", "nothing can be read", "See the skips")
    error.skipped = skips(2)
    with pytest.raises(EngineError), failures_named(tmp_path / "failed.csv"):
        raise error
    assert len(lines(capfdbinary)) == 2
    assert len(rows_of(tmp_path / "failed.csv")) == 3


def test_the_failure_that_an_error_names_has_no_line_of_its_own(capfdbinary: Captured) -> None:
    skipped: list[Skipped] = []
    with pytest.raises(ImageError), failures_named(None, skipped):
        skipped += skips(2)
        raise ImageError("1.jpg", "it is empty", "Copy it again")
    assert lines(capfdbinary) == ["skipped 0.jpg: it is empty. Copy it again"]


@pytest.mark.parametrize(
    "line",
    [
        "index I",
        "search I",
        "classify I",
        "train I --head x",
        "evaluate I",
        "finetune I --from block6 --name x",
        "compare I",
    ],
    ids=lambda line: line.split()[0],
)
def test_every_command_that_reads_images_takes_a_file_for_failures(
    quick: Run, line: str, tmp_path: Path
) -> None:
    (tmp_path / "failed.csv").write_text("mine")
    words = [str(tmp_path) if word == "I" else word for word in line.split()]
    done = quick(*words, "--failed", tmp_path / "failed.csv")
    assert done.returncode == 2
    assert b"failed.csv: exists already" in done.stderr
    assert (b"--force" in done.stderr) == (line.split()[0] in ("search", "compare"))
    assert (tmp_path / "failed.csv").read_text() == "mine"


def test_the_table_of_failures_holds_no_formulas(tmp_path: Path) -> None:
    tell_failures([Skipped("=1+1.jpg", "-no", "x")], tmp_path / "failed.csv")
    assert rows_of(tmp_path / "failed.csv")[1] == ["'=1+1.jpg", "'-no", "x", ""]
