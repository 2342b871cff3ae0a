"""HTML pages with pictures in them: one file, no scripts, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote_from_bytes

from cli.render import percent, shown
from engine.errors import EngineError, ImageError
from engine.pictures.decode import decode, read_file

THUMBNAIL = 220
MAX_PIXELS = 200_000_000

_STYLE = """
:root { color-scheme: light dark; --edge: #8884; --soft: #888; --good: #2a7; --bad: #c40; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 76rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p, pre { color: var(--soft); margin: .3rem 0 .8rem; } pre { overflow-x: auto; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); }
.card { border: 1px solid var(--edge); border-radius: .6rem; overflow: hidden; }
.card img, .none { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; }
.none { display: grid; place-items: center; color: var(--soft); background: var(--edge); }
.text { padding: .5rem .7rem; overflow-wrap: anywhere; font-size: .85rem; }
.text b { font-size: 1rem; } .text span { display: block; color: var(--soft); }
.bar { height: .3rem; background: var(--edge); }
.bar i { display: block; height: 100%; background: var(--good); }
.wrong b { color: var(--bad); } .wrong .bar i { background: var(--bad); }
table { border-collapse: collapse; } td, th { padding: .25rem .7rem; text-align: right; }
th { color: var(--soft); font-weight: 500; } td.hit { font-weight: 700; }
.facts td, .facts th { text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.facts th { white-space: nowrap; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin: .8rem 0; }
.plots img { max-width: 100%; background: #fff; border-radius: .6rem; }
.beside .text { padding-bottom: .7rem; }
@media (min-width: 40rem) { .beside { grid-column: span 2; display: grid;
  grid-template-columns: 45% 1fr; align-items: start; } }
.guess { display: grid; grid-template-columns: 1fr auto; margin-top: .35rem; }
.guess .bar { grid-column: 1 / 3; background: var(--edge); height: .45rem; }
.right { font-weight: 700; } .guess .bar i { background: var(--soft); }
.right .bar i { background: var(--good); }
@media print { .card, .plots img, tr { break-inside: avoid; }
  .bar, .bar i { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


# How a table is laid out: the diagonal in bold, numbers, or text beside its names.
DIAGONAL, NUMBERS, FACTS = "diagonal", "numbers", "facts"


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing that is part of the page: its SVG, and the same in words for who cannot see it."""

    svg: bytes
    alt: str


@dataclass(frozen=True, slots=True)
class Guess:
    """One of a card's bars: a category, its probability, and whether it is the right one."""

    name: str
    share: float
    right: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One picture on a page.

    Attributes
    ----------
    path
        The picture's file; the card links to it.
    title
        The line in bold.
    lines
        Smaller lines below.
    share
        Length of the bar, 0 to 1.
    wrong
        Draw it in the colour of mistakes.
    guesses
        Bars with their names below the text.
    """

    path: str
    title: str
    lines: Sequence[str] = ()
    share: float = 0.0
    wrong: bool = False
    guesses: Sequence[Guess] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with plots, pictures, a table, or all of them.

    `layout` is that of the table: `DIAGONAL`, `NUMBERS` or `FACTS`.
    """

    title: str
    text: str = ""
    command: str = ""
    cards: Sequence[Card] = ()
    table: Sequence[Sequence[str]] = ()
    layout: str = DIAGONAL
    plots: Sequence[Plot] = ()


def write_page(file: Path, title: str, text: str, sections: Sequence[Section]) -> None:
    """Write a page, whole or not at all.

    Raises
    ------
    EngineError
        The file cannot be written.
    """
    body = "".join(map(_section, sections))
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{_text(title)}</h1><p>{_text(text)}</p>{body}</body></html>\n"
    )
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EngineError(
            file, f"the page cannot be written ({error.strerror})", "Name another place"
        ) from None


def _section(section: Section) -> str:
    parts = [f"<h2>{_text(section.title)}</h2>"]
    if section.text:
        parts.append(f"<p>{_text(section.text)}</p>")
    if section.command:
        parts.append(f"<pre>{_text(section.command)}</pre>")
    if section.plots:
        parts.append(f'<div class="plots">{"".join(map(_plot, section.plots))}</div>')
    if section.cards:
        parts.append(f'<div class="cards">{"".join(map(_card, section.cards))}</div>')
    if section.table:
        parts.append(_table(section.table, section.layout))
    return "\n".join(parts) + "\n"


def _card(card: Card) -> str:
    lines = "".join(f"<span>{_text(line)}</span>" for line in card.lines)
    kind = "card wrong" if card.wrong else "card"
    # A picture with guesses has its bars beside it, and none below.
    kind, bar = (f"{kind} beside", "") if card.guesses else (kind, _bar(card.share))
    return (
        f'<div class="{kind}"><a href="{escape(_link(card.path))}">{_image(card.path)}</a>{bar}'
        f'<div class="text"><b>{_text(card.title)}</b>{lines}'
        f"{''.join(map(_guess, card.guesses))}</div></div>"
    )


def _guess(guess: Guess) -> str:
    # The mark says the same as the colour, to those who do not see it.
    name = f"{guess.name} ✓" if guess.right else guess.name
    return (
        f'<div class="guess{" right" if guess.right else ""}"><div>{_text(name)}</div>'
        f"<div>{percent(guess.share, 0)}</div>{_bar(guess.share)}</div>"
    )


def _bar(share: float) -> str:
    width = 100 * min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
    return f'<div class="bar"><i style="width:{width:.0f}%"></i></div>'


def _plot(plot: Plot) -> str:
    encoded = base64.b64encode(plot.svg).decode("ascii")
    return f'<img alt="{_text(plot.alt)}" src="data:image/svg+xml;base64,{encoded}">'


def _table(rows: Sequence[Sequence[str]], layout: str) -> str:
    bold = layout == DIAGONAL
    head = "".join(f"<th>{_text(cell)}</th>" for cell in rows[0])
    body = "".join(
        f"<tr><th>{_text(row[0])}</th>"
        + "".join(
            f"<td{' class=hit' if bold and place == number else ''}>{_text(cell)}</td>"
            for place, cell in enumerate(row[1:])
        )
        + "</tr>"
        for number, row in enumerate(rows[1:])
    )
    return f'<table class="{layout}"><tr>{head}</tr>{body}</table>'


def _image(path: str) -> str:
    """Return a small copy as part of the page, so that the page can be sent to someone."""
    try:
        image = decode(read_file(path), path, MAX_PIXELS).pixels
    except ImageError as error:
        return f'<div class="none">{_text(error.reason)}</div>'
    image.thumbnail((THUMBNAIL * 2, THUMBNAIL * 2))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    encoded = base64.b64encode(data.getvalue()).decode("ascii")
    return f'<img loading="lazy" alt="" src="data:image/jpeg;base64,{encoded}">'


def _link(path: str) -> str:
    return path if "://" in path else "file://" + quote_from_bytes(os.fsencode(path))


def _text(text: str) -> str:
    return escape("\n".join(shown(line) for line in text.split("\n")))
