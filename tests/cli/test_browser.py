"""Whether there is a browser that may be opened."""

from __future__ import annotations

import pytest

from cli.browser import has_browser, open_page


@pytest.mark.parametrize(
    ("variables", "platform", "there"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"BROWSER": "w3m"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_browser_needs_a_display(variables: dict[str, str], platform: str, there: bool) -> None:
    assert has_browser(variables, platform) is there


def test_without_a_display_nothing_is_opened() -> None:
    assert not open_page("http://localhost:8000/", {})
