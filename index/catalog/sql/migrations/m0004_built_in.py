"""What the built-in categories say of an image, remembered: a new head leaves it as it is."""

from __future__ import annotations

from sqlalchemy import Connection, LargeBinary, text


def apply(connection: Connection) -> None:
    """Add the column `built_in` to the table `predictions`."""
    kind = LargeBinary().compile(connection.dialect)
    connection.execute(text(f"ALTER TABLE predictions ADD COLUMN built_in {kind}"))
