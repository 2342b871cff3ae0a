"""What can be searched for and classified, narrowed down, and printed."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, UrlLimits

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def _results(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    [report] = json.loads(done.stdout)
    found: list[dict[str, Any]] = report["results"]
    return found


@pytest.fixture
def search(quick: Run, trained: Path, drawn: Path) -> Run:
    """Search for a chair."""
    return partial(quick, "search", drawn / "chair" / "chair-0001.jpg", "--store", trained)


def test_an_image_may_come_from_stdin(engine: Run, trained: Path, drawn: Path) -> None:
    data = (drawn / "lamp" / "lamp-0003.jpg").read_bytes()
    done = engine("search", "-", "--store", trained, "--json", input=data)
    assert _results(done)[0]["path"] == str(drawn / "lamp" / "lamp-0003.jpg")


def test_an_empty_stdin_is_an_error(engine: Run, trained: Path) -> None:
    done = engine("classify", "-", "--store", trained, input=b"")
    assert done.returncode == 1
    assert done.stderr == b"error: <stdin>: there is nothing in it (0 bytes). Send a picture\n"


def test_an_image_may_come_from_a_url_and_stderr_says_so(
    quick: Run, trained: Path, drawn: Path, site: Any
) -> None:
    site.serve("/lamp.jpg", (drawn / "lamp" / "lamp-0003.jpg").read_bytes())
    done = quick("search", f"{site.url}/lamp.jpg", "--store", trained, "--json")
    assert _results(done)[0]["path"] == str(drawn / "lamp" / "lamp-0003.jpg")
    assert done.stderr.decode().splitlines() == [
        f"fetching {site.url}/lamp.jpg (at most 50 MB)",
        "127.0.0.1 is 127.0.0.1: of this machine or the local network",
    ]


def test_a_url_that_is_not_there_is_an_error(quick: Run, trained: Path, site: Any) -> None:
    done = quick("classify", f"{site.url}/none.jpg", "--store", trained)
    assert done.returncode == 1
    assert b"the server answered 404" in done.stderr


def test_a_url_that_holds_too_much_is_given_up(quick: Run, trained: Path, site: Any) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        sent, block = 0, bytes(1 << 20)
        while sent < 200 << 20:
            try:
                sent += request.wfile.write(block)
            except OSError:
                break

    site.serve("/endless", answer=endless)
    done = quick("classify", f"{site.url}/endless", "--store", trained)
    assert done.returncode == 1
    assert b"larger than 50 MB" in done.stderr


def test_a_url_that_takes_too_long_is_given_up(
    quick: Run, trained: Path, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(200):
            try:
                request.wfile.write(b"x")
                request.wfile.flush()
            except OSError:
                break
            time.sleep(0.05)

    site.serve("/slow", answer=slow)
    monkeypatch.setattr(Engine, "open", partial(Engine.open, urls=UrlLimits(seconds=0.3)))
    done = quick("classify", f"{site.url}/slow", "--store", trained)
    assert done.returncode == 1
    assert b"it took longer than" in done.stderr


@pytest.mark.parametrize("command", ["search", "classify"])
@pytest.mark.parametrize("how", ["--no-urls", "ENGINE_NO_URLS"])
def test_urls_are_refused_where_somebody_says_so(
    quick: Run, trained: Path, site: Any, monkeypatch: pytest.MonkeyPatch, command: str, how: str
) -> None:
    url = site.serve("/lamp.jpg", b"picture")
    options = ["--no-urls"] if how == "--no-urls" else []
    if not options:
        monkeypatch.setenv(how, "1")
    done = quick(command, url, "--store", trained, *options)
    assert (done.returncode, done.stdout, site.asked) == (2, b"", [])
    assert b"URLs are not fetched here" in done.stderr


def test_of_several_images_the_mean_is_searched_for(quick: Run, trained: Path, drawn: Path) -> None:
    names = [str(drawn / "bed" / "bed-0001.jpg"), str(drawn / "lamp" / "lamp-0001.jpg")]
    done = quick("search", *names, "-k", "2", "--rank", "plain", "--store", trained, "--json")
    [report] = json.loads(done.stdout)
    assert report["order"] == "plain"
    assert {hit["path"] for hit in report["results"]} == set(names)
    assert report["query"] == " + ".join(names)


def test_one_bad_query_of_several_is_skipped(
    quick: Run, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    good, bad = drawn / "bed" / "bed-0001.jpg", tmp_path / "gone.jpg"
    done = quick("classify", good, bad, "--store", trained, "--json")
    assert done.returncode == 3
    assert [answer["image"] for answer in json.loads(done.stdout)] == [str(good)]
    assert done.stderr.decode() == f"skipped {bad}: there is no such file. Check the path\n"


def test_a_search_says_in_its_answer_which_queries_it_skipped(
    quick: Run, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    good, bad = drawn / "bed" / "bed-0001.jpg", tmp_path / "gone.jpg"
    done = quick("search", good, bad, "-k", "1", "--store", trained, "--json")
    [report] = json.loads(done.stdout)
    assert (done.returncode, report["images"]) == (3, [str(good)])
    assert [skip["path"] for skip in report["skipped"]] == [str(bad)]


def test_where_narrows_to_a_label(search: Run) -> None:
    found = _results(search("--where", "label=lamp", "-k", "12", "--json"))
    assert [hit["label"] for hit in found] == ["lamp"] * 12


def test_conditions_hold_together(search: Run) -> None:
    found = _results(search("--where", "label!=chair", "--where", "path~*-0001.jpg", "--json"))
    assert len(found) == 4
    assert all(hit["path"].endswith("-0001.jpg") for hit in found)


def test_category_narrows_to_what_the_engine_says(search: Run) -> None:
    found = _results(search("--category", "bed", "-k", "5", "--json"))
    assert [hit["category"] for hit in found] == ["bed"] * 5


def test_same_category_classifies_first(search: Run) -> None:
    [report] = json.loads(search("--same-category", "-k", "5", "--json").stdout)
    assert report["category"] == "chair"
    assert [hit["category"] for hit in report["results"]] == ["chair"] * 5


def test_min_score_leaves_out_what_is_less_similar(search: Run) -> None:
    everything = _results(search("-k", "60", "--json"))
    scores = sorted((hit["score"] for hit in everything), reverse=True)
    limit = (scores[9] + scores[10]) / 2
    found = _results(search("-k", "60", "--min-score", str(limit), "--json"))
    assert len(found) == 10


def test_nothing_found_is_said_on_stderr_and_is_no_error(search: Run) -> None:
    done = search("--where", "label=chiar", "--json")
    why = "no image has label=chiar; the nearest is chair"
    assert (done.returncode, _results(done)) == (0, [])
    assert done.stderr.decode() == f"nothing found: {why}\n"
    assert json.loads(done.stdout)[0]["why_empty"] == why


def test_a_hit_whose_file_is_gone_is_marked(
    quick: Run, shop: Path, images: Path, tmp_path: Path
) -> None:
    gone, query = images / "lamp" / "lamp-0001.jpg", tmp_path / "query.jpg"
    assert quick("index", images / "lamp", "--store", shop).returncode == 0
    gone.rename(query)
    line = ("search", query, "--where", f"path~{images}/*", "-k", "1", "--store", shop)
    done = quick(*line)
    assert done.stdout.decode().splitlines()[1].endswith(f"{gone} (missing)")
    assert done.stderr.startswith(b"1 of these files is not there any more; `engine index")
    assert [hit["missing"] for hit in _results(quick(*line, "--json"))] == [True]
    [row] = csv.DictReader(io.StringIO(quick(*line, "--csv").stdout.decode()))
    assert (row["path"], row["missing"]) == (str(gone), "True")
    assert quick(*line, "--paths").stdout.decode() == f"{gone}\n"


@pytest.mark.parametrize("verb", ["search", "classify"])
def test_where_no_image_can_be_used_each_is_named(
    quick: Run, trained: Path, tmp_path: Path, verb: str
) -> None:
    bad = [tmp_path / "one.jpg", tmp_path / "two.jpg"]
    for file in bad:
        file.write_text("no picture")
    done = quick(verb, *bad, "--store", trained, "--failed", tmp_path / "failed.csv")
    assert done.returncode == 1
    assert all(str(file) in done.stderr.decode() for file in bad)
    with (tmp_path / "failed.csv").open(newline="") as opened:
        assert [row["path"] for row in csv.DictReader(opened)] == list(map(str, bad))


def test_paths_prints_paths_alone(search: Run) -> None:
    done = search("--paths", "-k", "3")
    wanted = [hit["path"] for hit in _results(search("-k", "3", "--json"))]
    assert done.stdout.decode().splitlines() == wanted


def test_null_ends_each_path_with_nul(search: Run) -> None:
    done = search("--paths", "--null", "-k", "3")
    assert done.stdout.endswith(b".jpg\0")
    assert (done.stdout.count(b"\0"), done.stdout.count(b"\n")) == (3, 0)


def test_csv_is_a_table_that_a_spreadsheet_reads(search: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(search("--csv", "-k", "3").stdout.decode())))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["label"] == "chair"


def test_classifications_as_csv_have_a_line_for_each_prediction(
    quick: Run, trained: Path, drawn: Path
) -> None:
    done = quick("classify", *sorted((drawn / "bed").iterdir())[:2], "-k", "3", "--csv", "--store")
    assert done.returncode == 2, "--store wants a value"
    names = sorted((drawn / "bed").iterdir())[:2]
    done = quick("classify", *names, "-k", "3", "--csv", "--store", trained)
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert [row["image"] for row in rows] == [str(name) for name in names for _ in range(3)]
    assert {row["unknown"] for row in rows} <= {"True", "False"}


def test_a_head_alone_knows_only_its_categories(quick: Run, trained: Path, drawn: Path) -> None:
    image = drawn / "table" / "table-0001.jpg"
    line = ("classify", image, "-k", "9", "--head", "furniture", "--store", trained, "--json")
    [answer] = json.loads(quick(*line).stdout)
    assert len(answer["predictions"]) == 5
    assert {each["source"] for each in answer["predictions"]} == {"furniture"}


def test_without_a_store_the_built_in_categories_answer(
    quick: Run, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = quick("classify", drawn / "table" / "table-0001.jpg", "--json")
    [answer] = json.loads(done.stdout)
    assert {each["source"] for each in answer["predictions"]} == {"imagenet"}
    assert os.listdir(tmp_path) == []


def test_a_csv_file_can_give_the_labels(
    quick: Run, shop: Path, drawn: Path, tmp_path: Path
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\n{drawn}/bed/bed-0001.jpg,Lit\n{drawn}/bed/bed-0002.jpg,\n")
    assert quick("index", drawn, "--label", table, "--store", shop).returncode == 0
    line = ("search", drawn / "bed" / "bed-0001.jpg", "-k", "60", "--store", shop, "--json")
    labels = {hit["path"]: hit["label"] for hit in _results(quick(*line))}
    assert labels[str(drawn / "bed" / "bed-0001.jpg")] == "Lit"
    assert labels[str(drawn / "bed" / "bed-0002.jpg")] is None
    assert labels[str(drawn / "bed" / "bed-0003.jpg")] == "bed", "others keep theirs"


def test_rows_of_labels_that_were_not_used_are_told(
    quick: Run, shop: Path, drawn: Path, tmp_path: Path
) -> None:
    table = tmp_path / "labels.csv"
    rows = "".join(f"none-{number}.jpg;bed\n" for number in range(5))
    table.write_text(f"Path;Label\n{drawn}/bed/bed-0001.jpg;Lit\n{rows}", encoding="utf-16")
    done = quick("index", drawn, "--label", table, "--store", shop)
    assert done.returncode == 3
    assert done.stdout.decode().startswith("60 unchanged, 1 relabelled in ")
    first, *examples, last = done.stderr.decode().splitlines()
    assert first == "5 rows of the table of labels could not be used:"
    assert examples[0].startswith("unused none-0.jpg: line 3 of labels.csv: there is no such")
    assert (len(examples), last) == (3, "and 2 more; --failed FILE writes all of them")


def test_label_none_takes_the_labels_away(quick: Run, shop: Path, drawn: Path) -> None:
    quick("index", drawn, "--label", "none", "--store", shop)
    status = json.loads(quick("status", "--store", shop, "--json").stdout)
    assert status["labelled"] == 0
