"""Which names are looked at, and which patterns exclude what."""

from __future__ import annotations

import pytest

from engine.pictures.walk_rules import JUNK, WalkRules, is_junk

ROOT = "/photos"


@pytest.mark.parametrize(
    "name",
    [
        *sorted(JUNK),
        "@eaDir",
        "System Volume Information",
        "FOUND.000",
        ".thumbnails",
        ".ipynb_checkpoints",
        ".git",
    ],
)
def test_folders_of_systems_and_tools_are_left_out(name: str) -> None:
    assert is_junk(name)
    assert WalkRules().folder_is_hidden(name)
    assert not WalkRules(include_hidden=True).folder_is_hidden(name)


@pytest.mark.parametrize(
    "name", ["found", "found.00", "lost and found", "cache", "eadir", "modules"]
)
def test_folders_of_people_are_not(name: str) -> None:
    assert not is_junk(name)


@pytest.mark.parametrize("include_hidden", [True, False])
def test_what_macos_writes_beside_a_file_is_no_image(include_hidden: bool) -> None:
    assert not WalkRules(include_hidden=include_hidden).is_image("._a.jpg")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.tmp.jpg", "a/b/x.tmp.jpg"),
        ("thumbs*", "a/thumbs-small/x.jpg"),
        ("a/b", "a/b/x.jpg"),
        ("a/*", "a/b/c/x.jpg"),
        ("/a/", "a/x.jpg"),
        ("[ab]", "b/x.jpg"),
        ("\N{CAMERA}*", "\N{CAMERA} 1/x.jpg"),
        ("new\nline", "new\nline/x.jpg"),
    ],
)
def test_a_pattern_excludes_what_it_names_and_all_below(pattern: str, path: str) -> None:
    assert WalkRules((pattern,)).excludes(f"{ROOT}/{path}", ROOT)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("photos", "x.jpg"),
        ("b/x.jpg", "a/b/x.jpg"),
        ("A", "a/x.jpg"),
        ("x", "x.jpg"),
        ("*.png", "a"),
    ],
)
def test_a_pattern_excludes_nothing_else(pattern: str, path: str) -> None:
    assert not WalkRules((pattern,)).excludes(f"{ROOT}/{path}", ROOT)


@pytest.mark.parametrize("name", ["scan", "x.dat", ".x.jpg", ".cache/x.jpg", "node_modules/x.jpg"])
def test_a_walk_passes_by_what_has_such_a_name(name: str) -> None:
    assert WalkRules().overlooks(f"{ROOT}/{name}", [ROOT])


@pytest.mark.parametrize("name", ["x.jpg", "a/x.jpg"])
def test_a_walk_passes_nothing_else_by(name: str) -> None:
    assert not WalkRules().overlooks(f"{ROOT}/{name}", [ROOT])


def test_a_hidden_root_that_was_named_is_walked() -> None:
    assert not WalkRules().overlooks("/photos/.hidden/x.jpg", ["/photos/.hidden"])
    assert not WalkRules().overlooks("/photos/.hidden/x.jpg", ["/photos", "/photos/.hidden"])
