"""docs/formats.md says of every kind what the table of kinds says."""

from __future__ import annotations

import pytest

from engine.pictures.formats import FORMATS, Format
from tests.support import REPOSITORY

PAGE = (REPOSITORY / "docs" / "formats.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: cells[1:]
    for cells in ([cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines())
    if len(cells) == 3
}


@pytest.mark.parametrize("kind", FORMATS, ids=lambda each: each.name)
def test_a_kind_is_told_as_it_is_read(kind: Format) -> None:
    extensions, reader = ROWS[kind.name]
    assert extensions == ", ".join(kind.extensions)
    if kind.reader is None:
        assert reader.startswith("nothing: ")
    elif "[" in kind.reader.package:
        assert reader == f"`{kind.reader.install}`"
    else:
        assert reader == "every installation"


def test_no_other_kind_is_told() -> None:
    assert set(ROWS) - {"format", "---"} == {kind.name for kind in FORMATS}
