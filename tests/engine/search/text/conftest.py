"""What tests of words share: the encoder, loaded once for a file."""

from __future__ import annotations

import pytest

from engine.search.text.encoder import TextEncoder


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    """The encoder of the extra `text`."""
    return TextEncoder()
