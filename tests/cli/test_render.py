"""Results become text that is safe to print and easy to read back."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from pathlib import Path

import pytest

from cli.render import (
    bold,
    say,
    shown,
    tell,
    write,
    write_csv,
    write_json,
    write_paths,
    write_table,
)
from engine.search.results import Hit, SearchReport

Captured = pytest.CaptureFixture[bytes]
NOT_UTF8 = os.fsdecode(b"caf\xe9.jpg")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Stühle 椅子 🪑.jpg", "Stühle 椅子 🪑.jpg"),
        ("two\nlines\tand\rmore", r"two\nlines\tand\rmore"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        (NOT_UTF8, r"caf\udce9.jpg"),
    ],
)
def test_what_could_move_a_terminal_is_shown_escaped(text: str, safe: str) -> None:
    assert shown(text) == safe


def test_names_are_written_as_the_bytes_they_are(capfdbinary: Captured) -> None:
    write(NOT_UTF8)
    assert capfdbinary.readouterr().out == b"caf\xe9.jpg"


def test_a_table_puts_numbers_to_the_right_and_none_as_a_dash(capfdbinary: Captured) -> None:
    write_table(("rank", "score", "label"), [(1, 0.25, "bed"), (10, 1.0, None)])
    assert capfdbinary.readouterr().out.decode().splitlines() == [
        "rank  score  label",
        "   1  0.250  bed",
        "  10  1.000  -",
    ]


def test_a_table_without_rows_is_its_heading(capfdbinary: Captured) -> None:
    write_table(("rank", "score"), [])
    assert capfdbinary.readouterr().out == b"rank  score\n"


def test_a_table_keeps_one_line_for_each_row(capfdbinary: Captured) -> None:
    write_table(("path",), [("a\nb\x1b[2J",)])
    assert capfdbinary.readouterr().out == b"path\na\\nb\\x1b[2J\n"


def test_json_is_what_the_result_holds(capfdbinary: Captured) -> None:
    write_json(
        [SearchReport("q", ["q"], [Hit(1, 0.5, "椅子.jpg", None, "chair", rank_score=0.25, id=7)])]
    )
    out = capfdbinary.readouterr().out
    assert "椅子".encode() in out
    [report] = json.loads(out)
    assert report["results"] == [
        {
            "rank": 1,
            "score": 0.5,
            "path": "椅子.jpg",
            "label": None,
            "category": "chair",
            "missing": False,
            "rank_score": 0.25,
            "id": 7,
        }
    ]


def test_json_keeps_names_that_are_no_utf8(capfdbinary: Captured) -> None:
    write_json({"path": NOT_UTF8})
    out = capfdbinary.readouterr().out
    assert out.isascii()
    assert os.fsencode(json.loads(out)["path"]) == b"caf\xe9.jpg"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_has_null_where_a_number_is_none(value: float, capfdbinary: Captured) -> None:
    write_json({"deep": [{"score": value}]})
    assert json.loads(capfdbinary.readouterr().out) == {"deep": [{"score": None}]}


def test_json_has_paths_as_texts(capfdbinary: Captured) -> None:
    write_json({"folder": Path("a") / "b"})
    assert json.loads(capfdbinary.readouterr().out) == {"folder": os.path.join("a", "b")}


def test_csv_reads_back_whatever_the_cells_hold(capfdbinary: Captured) -> None:
    row = ["1", 'say "hi", twice', "two\nlines", ""]
    write_csv(("a", "b", "c", "d"), [[1, row[1], row[2], None]])
    text = io.StringIO(capfdbinary.readouterr().out.decode(), newline="")
    assert list(csv.reader(text)) == [["a", "b", "c", "d"], row]


def test_paths_are_lines_or_end_with_nul(capfdbinary: Captured) -> None:
    write_paths(["a", NOT_UTF8])
    write_paths(["a", "b\nc"], null=True)
    assert capfdbinary.readouterr().out == b"a\ncaf\xe9.jpg\na\0b\nc\0"


class Terminal(io.TextIOWrapper):
    """What stdout is where a person looks on."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, "utf-8")

    def isatty(self) -> bool:
        """Say yes."""
        return True


# What moves a terminal, or the order in which a text is read.
HARMFUL = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]


@pytest.mark.parametrize("null", [False, True])
def test_on_a_terminal_paths_are_safe_to_look_at(
    monkeypatch: pytest.MonkeyPatch, null: bool
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    write_paths([f"a{chr(code)}b" for code in HARMFUL], null=null)
    end = "\0" if null else "\n"
    lines = terminal.bytes.getvalue().decode().removesuffix(end).split(end)
    assert len(lines) == len(HARMFUL)
    assert all(line.isprintable() for line in lines)


def test_on_a_terminal_csv_is_safe_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    write_csv(("path",), [(f"a{chr(code)}b",) for code in HARMFUL])
    lines = terminal.bytes.getvalue().decode().removesuffix("\r\n").split("\r\n")
    assert len(lines) == 1 + len(HARMFUL)
    assert all(line.isprintable() for line in lines)


def test_json_holds_nothing_that_moves_a_terminal_and_reads_back(capfdbinary: Captured) -> None:
    text = "".join(map(chr, HARMFUL)) + "椅子"
    write_json({"path": text})
    out = capfdbinary.readouterr().out.decode()
    assert all(line.isprintable() for line in out.splitlines())
    assert "椅子" in out
    assert json.loads(out) == {"path": text}


def test_each_sentence_is_one_line_whatever_it_holds(capfdbinary: Captured) -> None:
    tell("a\nb\x1b[2J", "c")
    assert capfdbinary.readouterr().out == b"a\\nb\\x1b[2J\nc\n"


def test_half_a_surrogate_pair_stops_no_answer(capfdbinary: Captured) -> None:
    write_paths(["a\ud800b"])
    assert capfdbinary.readouterr().out == b"a\\ud800b\n"


def test_csv_holds_no_formulas(capfdbinary: Captured) -> None:
    write_csv(("a", "b", "c"), [("=1+1", -0.5, "-x")])
    assert capfdbinary.readouterr().out == b"a,b,c\r\n'=1+1,-0.5,'-x\r\n"


def test_nothing_is_bold_where_no_terminal_is(capfdbinary: Captured) -> None:
    assert bold("heading") == "heading"


def test_what_is_said_goes_to_stderr_on_one_line(capfdbinary: Captured) -> None:
    say(f"about {NOT_UTF8}\nand \x1b[1m")
    assert capfdbinary.readouterr() == (b"", b"about caf\\udce9.jpg\\nand \\x1b[1m\n")
