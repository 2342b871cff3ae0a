"""The tree of errors is the one drawn at the top of its file."""

from __future__ import annotations

import inspect
import re

import pytest

from engine import errors
from engine.errors import EngineError, UsageError
from tests.support import REPOSITORY

CLASSES = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}


def drawn_tree() -> dict[str, str | None]:
    """Return each class in the drawing with the class it hangs on."""
    tree: dict[str, str | None] = {}
    branch: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│├└─ ]*)(\w+Error)\b", line):
            depth = len(found[1]) // 4
            branch[depth:] = [found[2]]
            tree[found[2]] = branch[depth - 1] if depth else None
    return tree


def test_the_drawing_names_every_class() -> None:
    assert sorted(drawn_tree()) == sorted(CLASSES)


def test_the_drawing_and_the_classes_agree() -> None:
    real = {name: kind.__bases__[0].__name__ for name, kind in CLASSES.items()}
    assert drawn_tree() | {"EngineError": "Exception"} == real


def test_every_class_is_public() -> None:
    assert sorted(errors.__all__) == sorted(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_is_an_engine_error_with_a_word_of_its_own(name: str) -> None:
    assert issubclass(CLASSES[name], EngineError)
    assert "__doc__" in vars(CLASSES[name]) and CLASSES[name].__doc__


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_wrong_requests_exit_with_2_and_all_else_with_1(name: str) -> None:
    kind = CLASSES[name]
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)


def test_a_message_is_thing_reason_and_remedy() -> None:
    error = EngineError("a.jpg", "it is empty", "Copy it again")
    assert str(error) == "a.jpg: it is empty. Copy it again"
    assert (error.thing, error.reason, error.remedy) == ("a.jpg", "it is empty", "Copy it again")


def test_no_message_shows_what_the_system_may_not_have_said() -> None:
    # `strerror` is None in errors that Python and NumPy raise by themselves: see `reason_of`.
    rooms = [REPOSITORY / room for room in ("index", "engine", "cli")]
    files = [path for room in rooms for path in room.rglob("*.py")]
    shown = [path.name for path in files if ".strerror}" in path.read_text(encoding="utf-8")]
    assert (len(files) > 100, shown) == (True, [])
