"""`engine search --text`: words alone, beside pictures and subtracted, and what is told of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module", autouse=True)
def first(engine: Run, trained: Path) -> subprocess.CompletedProcess[bytes]:
    """The first search by words of all, for which names are embedded."""
    done = engine("search", "--text", "lamp", "-k", "3", "--paths", "--store", trained)
    assert done.returncode == 0, done.stderr
    return done


def test_words_find_what_they_name_and_stderr_says_as_what(
    quick: Run, trained: Path, drawn: Path
) -> None:
    done = quick("search", "--text", "Chair", "-k", "10", "--paths", "--store", trained)
    assert done.returncode == 0
    folders = [Path(line).parent.name for line in done.stdout.decode().splitlines()]
    assert folders.count("chair") >= 9
    assert done.stderr == b"searching for: chair (Chair)\n"


def test_pictures_and_words_are_added_and_subtracted(
    quick: Run, trained: Path, drawn: Path
) -> None:
    bed, lamp = (drawn / name / f"{name}-0002.jpg" for name in ("bed", "lamp"))
    query = ("search", bed, "--text", "bed", "--not", lamp, "--not", "chair")
    done = quick(*query, "--where", "text~bed jpg", "-k", "60", "--json", "--store", trained)
    [report] = json.loads(done.stdout)
    assert report["query"] == f"{bed} + bed - {lamp} - chair"
    assert [each["subtracted"] for each in report["understood"]] == [False, True]
    assert [hit["label"] for hit in report["results"]] == ["bed"] * 12
    assert b"subtracting: chair (chair)\n" in done.stderr


def test_words_that_are_not_understood_find_nothing(quick: Run, trained: Path) -> None:
    done = quick("search", "--text", "nevertheless", "--json", "--store", trained)
    [report] = json.loads(done.stdout)
    assert (done.returncode, report["results"]) == (0, [])
    assert report["understood"][0]["categories"] == []
    assert b"nothing found: 'nevertheless' is not understood" in done.stderr


@pytest.mark.parametrize("name", ["no-such.jpg", "no/such", "chair.JPG"])
def test_what_can_only_be_meant_for_a_path_is_no_word(quick: Run, trained: Path, name: str) -> None:
    done = quick("search", "--text", "bed", "--not", name, "--store", trained)
    assert (done.returncode, name in done.stderr.decode()) == (1, True)
    assert b"there is no such file" in done.stderr


def test_a_page_tells_what_was_searched_for(quick: Run, trained: Path, tmp_path: Path) -> None:
    page = tmp_path / "found.html"
    assert quick("search", "--text", "sofa", "--html", page, "--store", trained).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert "understood as" in text
    assert "sofa" in text


def test_words_need_no_backbone_and_nothing_that_learns(engine: Run, trained: Path) -> None:
    none = "import sys\nfor name in ('torch', 'timm', 'openvino', 'sklearn', 'scipy', "
    none += "'transformers'):\n    sys.modules[name] = None"
    done = engine("search", "--text", "bed", "--paths", "--store", trained, first=none)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"searching for: bed (bed)\n"


def test_without_the_extra_one_line_says_how_to_install_it(quick: Run, trained: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tokenizers", None)
        done = quick("search", "--text", "bed", "--store", trained)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "error: a search by words: the package tokenizers is not installed. "
        "Run: pip install 'image-engine[text]'"
    ]
