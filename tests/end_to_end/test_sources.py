"""Pictures of an object store and of archives, by the real command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.object_store import SECRET, ObjectStore, Prefix

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def filled(object_store: ObjectStore, images: Path) -> Prefix:
    """A prefix with twelve pictures of three categories."""
    prefix = object_store.prefix()
    prefix.fill(images, "in/")
    return prefix


@pytest.fixture
def run(engine: Run, object_store: ObjectStore, tmp_path: Path) -> Callable[..., Any]:
    """Run the command with the credentials; return what it says in JSON, or its text."""

    def run(*arguments: str | Path, code: int = 0, **env: str) -> Any:
        settings = {**object_store.environment, **env}
        done = engine(*arguments, env=settings, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert SECRET not in (done.stdout + done.stderr).decode()
        return json.loads(done.stdout) if "--json" in arguments else done.stderr.decode()

    return run


def test_objects_are_indexed_searched_shown_and_forgotten(
    run: Callable[..., Any], filled: Prefix, images: Path, tmp_path: Path
) -> None:
    root = f"{filled.url}/in"
    first = run("index", root, "--label", "parent", "--json")
    assert (first["added"], first["embedded"]) == (12, 12)
    again = run("index", root, "--json")
    assert (again["unchanged"], again["embedded"]) == (12, 0)

    filled.put("in/bed/bed-0001.jpg", (images / "chair" / "chair-0001.jpg").read_bytes())
    filled.delete("in/bed/bed-0002.jpg")
    changed = run("index", root, "--json")
    assert (changed["updated"], changed["removed"], changed["unchanged"]) == (1, 1, 10)

    url = f"{root}/lamp/lamp-0001.jpg"
    found = run("search", url, "-k", "3", "--where", "path~*/in/*", "--json", "--html", "g.html")
    assert found[0]["results"][0]["path"] == url and found[0]["results"][0]["label"] == "lamp"
    page = (tmp_path / "g.html").read_text()
    assert page.count("data:image/jpeg") == 4 and "it cannot be shown" not in page
    assert run("classify", images / "lamp" / "lamp-0001.jpg", url, "--json")
    assert run("remove", f"{root}/lamp", "--json")["removed"] == 4
    assert run("remove", root, "--json")["images"] == 0


def test_what_goes_wrong_is_one_line_and_an_exit_code(
    run: Callable[..., Any], filled: Prefix
) -> None:
    for root, reason, settings in (
        ("s3://no-such-bucket/in", "there is no bucket no-such-bucket", {}),
        (f"{filled.url}/in", "access is denied", {"AWS_SECRET_ACCESS_KEY": "wrong"}),
    ):
        said = run("index", root, code=3, **settings)
        assert reason in said and "Traceback" not in said
    if find_spec("gcsfs") is None:
        assert "image-engine[gcs]" in run("index", "gs://bucket/in", code=2)
    assert "works on files of this machine" in run("index", filled.url, "--watch", code=2)
