"""Files held against the catalog: the work grows with the files, not with files times folders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.ingest.comparison import overlooked, under_real_paths
from engine.pictures.walk_rules import WalkRules
from index.records import FileState, KnownImage

MANY = 3000


class Asked(dict[str, str]):
    """Counts what is asked of it."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        self.asked += 1
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self.asked += len(self)
        return super().__iter__()


def test_a_file_is_found_under_its_real_path_whatever_the_number_of_links() -> None:
    links = Asked({f"/album/{number}.jpg": f"/blobs/{number}.jpg" for number in range(MANY)})
    files = [FileState(link, 1, 1) for link in dict(links)]
    found = under_real_paths(files, links, {f"/blobs/{number}.jpg" for number in range(0, MANY, 2)})
    assert [file.path for file in found[:2]] == ["/blobs/0.jpg", "/album/1.jpg"]
    assert links.asked < 10 * MANY


@pytest.mark.parametrize("link", ["/album", "/album/inner", "/album/inner/a.jpg"])
def test_the_innermost_link_says_where_a_file_lies(link: str) -> None:
    real = {"/album": "/wrong", link: "/right"}
    path = "/right" + "/album/inner/a.jpg".removeprefix(link)
    [found] = under_real_paths([FileState("/album/inner/a.jpg", 1, 1)], real, {path})
    assert found.path == path


def test_a_link_of_a_similar_name_says_nothing() -> None:
    file = FileState("/albums/a.jpg", 1, 1)
    assert under_real_paths([file], {"/album": "/real"}, {"/reals/a.jpg", "/real/a.jpg"}) == [file]


def test_files_passed_by_are_looked_for_whatever_the_number_of_roots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    looked_at = WalkRules._is_looked_at

    def counted(rules: WalkRules, path: str, root: str) -> bool:
        calls.append(path)
        return looked_at(rules, path, root)

    monkeypatch.setattr(WalkRules, "_is_looked_at", counted)
    roots = [f"/root/{number}" for number in range(MANY)]
    known = {
        path: KnownImage(1, path, 1, 1, 1, "", None, False)
        for path in (f"{root}/gone.jpg" for root in roots)
    }
    assert overlooked(known, [], roots, WalkRules()) == []
    assert len(calls) == MANY
