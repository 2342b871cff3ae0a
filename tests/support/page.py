"""What is on an HTML page, as a test wants to ask about it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

WITHOUT_END = {"meta", "img"}
Attributes = list[tuple[str, str | None]]


class Page(HTMLParser):
    """Notes what is on a page, and that every element is closed.

    Attributes
    ----------
    elements
        Tag and attributes of every element, in order.
    text
        All text, style sheets left out.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        """Note an element."""
        assert len(attrs) == len(dict(attrs)), "an attribute stands twice"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in WITHOUT_END:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that it closes what was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        if "style" not in self._open:
            self.text += data

    def values(self, attribute: str) -> list[str]:
        """Return the values of an attribute, of whatever elements, in order."""
        return [found[attribute] for _, found in self.elements if attribute in found]

    @property
    def tags(self) -> list[str]:
        """The tags of all elements, in order."""
        return [tag for tag, _ in self.elements]

    @property
    def links(self) -> list[str]:
        """Where a click leads."""
        return self.values("href")

    @property
    def images(self) -> list[str]:
        """What is shown as an image."""
        return self.values("src")


def read_page(file: Path) -> Page:
    """Return what is on the page in a file."""
    return Page(file.read_text(encoding="utf-8"))
