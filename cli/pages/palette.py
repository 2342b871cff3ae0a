"""Colours that colour-blind readers tell apart, each with a second cue that says the same in print.

The palette is that of Okabe and Ito, "Color Universal Design" (2008),
https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

BLUE, ORANGE, GREEN, RED, SKY, PURPLE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
)
# Of lines: colour, marker and dashes.
LINES = (
    (BLUE, "o", "-"),
    (RED, "s", "--"),
    (GREEN, "^", "-."),
    (ORANGE, "D", ":"),
    (PURPLE, "v", "-"),
    (SKY, "P", "--"),
)
# Of bars: colour and hatching.
FILLS = ((BLUE, ""), (GREEN, "\\\\\\"), (ORANGE, "///"), (PURPLE, "xx"), (SKY, "--"))
