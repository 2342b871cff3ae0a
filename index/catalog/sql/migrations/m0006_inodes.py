"""What tells a file that was replaced by another of the same size and time: inode and ctime."""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, text


def apply(connection: Connection) -> None:
    """Add the columns `inode` and `ctime_ns` to the table `images`, empty until a file is seen."""
    kind = BigInteger().compile(connection.dialect)
    for column in ("inode", "ctime_ns"):
        connection.execute(text(f"ALTER TABLE images ADD COLUMN {column} {kind}"))
