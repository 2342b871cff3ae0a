"""Which file of a group stays, by which rule."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from engine import DuplicateGroup, Engine, UsageError
from engine.search.duplicates.files import Disk
from engine.search.duplicates.keep import Keep
from index.records import FileState, ImageFacts
from tests.support.shop import NotingReporter, put

LONG_AGO = 1_600_000_000


def facts(path: Path, side: int = 8) -> ImageFacts:
    """Return what the catalog would know of a file that is larger than it is."""
    from engine.pictures.read import content_hash

    state = path.stat()
    file = FileState(str(path), state.st_size, state.st_mtime_ns)
    return ImageFacts(file, 0, content_hash(path.read_bytes()), side, side, "BMP", None)


def aged(path: Path, age: int, content: int = 1) -> Path:
    """Write a picture that was last changed some seconds before a moment long ago."""
    put(path, content)
    os.utime(path, (LONG_AGO, LONG_AGO - age))
    return path


def order(keep: str, *images: ImageFacts) -> list[str]:
    found = Disk(keep=Keep.parse(keep)).files(dict(enumerate(images)))
    return [os.path.basename(file.path) for file in found]


def removable(keep: str, *images: ImageFacts) -> list[str]:
    found = Disk(keep=Keep.parse(keep)).files(dict(enumerate(images)))
    return sorted(os.path.basename(file.path) for file in found if file.removable)


def test_the_largest_stays_or_the_oldest(tmp_path: Path) -> None:
    large = facts(aged(tmp_path / "large.bmp", 0), side=9)
    small = facts(aged(tmp_path / "old.bmp", 9), side=8)
    assert order("largest", large, small) == ["large.bmp", "old.bmp"]
    assert order("oldest", large, small) == ["old.bmp", "large.bmp"]


def test_of_two_of_one_age_the_larger_stays_and_then_the_first_by_path(tmp_path: Path) -> None:
    images = [
        facts(aged(tmp_path / "c.bmp", 0), side=8),
        facts(aged(tmp_path / "b.bmp", 0), side=8),
        facts(aged(tmp_path / "d.bmp", 0), side=9),
    ]
    assert order("oldest", *images) == ["d.bmp", "b.bmp", "c.bmp"]


def test_the_oldest_is_none_that_a_link_alone_leads_to(tmp_path: Path) -> None:
    (tmp_path / "a.bmp").symlink_to(aged(tmp_path / "elsewhere.bmp", 9))
    linked, own = facts(tmp_path / "a.bmp"), facts(aged(tmp_path / "b.bmp", 0))
    assert order("oldest", linked, own) == ["b.bmp", "a.bmp"]


@pytest.mark.parametrize("keep", ["largest", "oldest", "*"])
def test_by_every_rule_what_was_changed_comes_last(tmp_path: Path, keep: str) -> None:
    old = facts(aged(tmp_path / "a.bmp", 9), side=9)
    young = facts(aged(tmp_path / "b.bmp", 0), side=8)
    (tmp_path / "a.bmp").unlink()
    assert order(keep, old, young) == ["b.bmp", "a.bmp"]


def test_all_that_match_a_pattern_stay(tmp_path: Path) -> None:
    large = facts(aged(tmp_path / "large.bmp", 0), side=9)
    named = [facts(aged(tmp_path / "Originals" / f"{name}.bmp", 0)) for name in "ab"]
    assert order("*/originals/*", large, *named) == ["a.bmp", "b.bmp", "large.bmp"]
    assert removable("*/originals/*", large, *named) == ["large.bmp"]


def test_without_a_match_the_largest_stays(tmp_path: Path) -> None:
    images = [facts(aged(tmp_path / "a.bmp", 9)), facts(aged(tmp_path / "b.bmp", 0), side=9)]
    assert order("*/originals/*", *images) == ["b.bmp", "a.bmp"]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*/originals/*", "/p/Originals/deep/a.jpg", True),
        ("originals/*", "/p/originals/a.jpg", False),
        ("*/a?.jpg", "/p/ab.jpg", True),
        ("*/[ab].jpg", "/p/a.jpg", False),
        ("*/[ab].jpg", "/p/[ab].jpg", True),
        ("*/Ä.jpg", "/p/a\u0308.jpg", True),
        ("*/two lines.jpg", "/p/two\nlines.jpg", False),
        ("*/two?lines.jpg", "/p/two\nlines.jpg", True),
    ],
)
def test_a_pattern_is_a_glob_as_conditions_have_them(
    pattern: str, path: str, matches: bool
) -> None:
    assert Keep.parse(pattern).matches(path) is matches


def test_a_file_stays_under_the_name_that_a_pattern_names(tmp_path: Path) -> None:
    os.link(aged(tmp_path / "z.bmp", 0), tmp_path / "a.bmp")
    images = [facts(tmp_path / "a.bmp"), facts(tmp_path / "z.bmp")]
    assert order("*/z.bmp", *images) == ["z.bmp"]
    assert removable("*/z.bmp", *images) == []


@pytest.mark.parametrize("text", ["", "  ", None, 5])
def test_no_rule_at_all_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no rule"):
        Keep.parse(text)


def test_a_pattern_is_told_that_matches_nothing_of_any_group() -> None:
    group = DuplicateGroup("exact", 1.0, ["/p/a.jpg", "/p/b.jpg"], "/p/a.jpg", ["/p/b.jpg"])
    told = Keep.parse("smallest").unmatched([group])
    assert told is not None
    assert "'smallest' is no rule, and as a pattern matches no picture" in told
    assert Keep.parse("*/b.jpg").unmatched([group]) is None
    assert Keep.parse("smallest").unmatched([]) is None
    assert Keep.parse("oldest").unmatched([group]) is None


def test_the_engine_goes_by_the_rule_and_tells_of_a_slip(
    tmp_path: Path, fake_engine: Engine
) -> None:
    first = put(tmp_path / "shop" / "a.bmp", 1)
    second = Path(shutil.copy(first, tmp_path / "shop" / "b.bmp"))
    os.utime(second, (LONG_AGO, LONG_AGO - 9))
    fake_engine.index([tmp_path / "shop"])
    kept = {keep: fake_engine.duplicates(keep=keep)[0].keep for keep in ("oldest", "*/A.bmp")}
    assert kept == {"oldest": str(second), "*/A.bmp": str(first)}
    reporter = NotingReporter()
    with Engine(fake_engine.config, reporter) as engine:
        engine.duplicates(keep="newest")
    assert [text for text in reporter.announced if "'newest' is no rule" in text]
