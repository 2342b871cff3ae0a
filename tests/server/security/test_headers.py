"""What every answer tells a browser, to the letter."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/v1/images", "/v1/images/3/thumbnail", "/v1/images/3/file", "/none"]
)
def test_nothing_of_another_host_runs_or_is_shown(reader: TestClient, path: str) -> None:
    told = reader.get(path).headers
    assert told["content-security-policy"] == POLICY
    assert told["x-content-type-options"] == "nosniff"
    assert told["referrer-policy"] == "no-referrer"
    assert told["cross-origin-opener-policy"] == "same-origin"
    assert told["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in told
