"""The table `shards`: the ledger of a run that several processes, or machines, share.

A worker claims a shard by a lease that it renews. One whose lease has run out is taken by another
one. A shard is finished in the transaction that stores its images, and only by who claimed it last:
it may be executed several times, and has its effect once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, and_, case, delete, func, or_, select, update

from index.catalog.shards import (
    DONE,
    FAILED,
    RUNNING,
    TODO,
    Claim,
    FailedShard,
    ListedFile,
    Listing,
    Progress,
    Run,
)
from index.catalog.sql.database import Database
from index.catalog.sql.dialects.rows import bulk_of
from index.catalog.sql.schema import Query, Shard, table_of
from index.catalog.tables.settings import read_setting, write_setting
from index.errors import CatalogDamagedError, LeaseLostError

_RUN = "shards_run"
# Shards that failed of which the reasons are told while a run goes on.
MOST_FAILURES = 20
# Shards that are written at a time.
AT_A_TIME = 256


class ShardTable:
    """Verbs over the ledger of one catalog.

    Parameters
    ----------
    database
        Where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, run: Run, listings: Iterable[Sequence[ListedFile]], *, keep: bool) -> None:
        """Replace what there is to do by the shards of another run; for the catalog's writer.

        Workers of an earlier run can finish nothing any more.

        Parameters
        ----------
        listings
            The files of each shard.
        keep
            Leave the shards in the ledger that failed.
        """
        codec = self._database.paths
        rows = (_row(run, Listing.of(files, codec)) for files in listings)
        with self._database.writing() as connection:
            gone = delete(Shard)
            connection.execute(gone.where(Shard.state != FAILED) if keep else gone)
            connection.execute(update(Shard).values(run=run.token))
            while some := list(islice(rows, AT_A_TIME)):
                bulk_of(connection).insert(connection, table_of(Shard), some)
            bulk_of(connection).written(connection, table_of(Shard))
            facts = {"token": run.token, "source": run.source, "at": run.started_at.isoformat()}
            write_setting(connection, _RUN, json.dumps(facts))

    def run(self) -> Run | None:
        """Return the run whose shards are in the ledger, None where there was none."""
        if not self._database.has_shards:
            return None
        with self._database.reading() as connection:
            return _read_run(connection)

    def claim(
        self, run: Run, worker: str, lease: timedelta, *, after: int = 0, most_attempts: int = 3
    ) -> Claim | None:
        """Take a shard that nobody works on, None where there is none at the moment.

        Parameters
        ----------
        worker
            Who takes it, for people.
        lease
            How long it is taken for, unless `renew` is called.
        after
            A shard that was claimed before: those behind it are looked at first.
        most_attempts
            One that was taken so often, and never finished, has failed.
        """
        while True:
            with self._database.claiming() as connection:
                row = _next(connection, run, after, most_attempts)
                if row is None:
                    return None
                attempt = row.attempt + 1
                _change(
                    connection,
                    row.id,
                    state=RUNNING,
                    attempt=attempt,
                    worker=worker,
                    done=0,
                    error=None,
                    lease_until=_now(connection) + lease,
                )
            claim = Claim(row.id, run.token, attempt, worker)
            try:
                files = Listing.read(row.listing, row.listing_hash, self._database.paths)
            except CatalogDamagedError as error:
                self.fail(claim, str(error))
                continue
            return replace(claim, files=files)

    def renew(self, claim: Claim, lease: timedelta, done: int) -> bool:
        """Hold a claim for longer, and say how many images are done; False where it was lost."""
        with self._database.claiming() as connection:
            until = _now(connection) + lease
            renewed = update(Shard).where(_is_current(claim)).values(lease_until=until, done=done)
            return bool(connection.execute(renewed).rowcount)

    def finish(self, claim: Claim, report: str, *, images: int | None = None) -> None:
        """Say that a shard is done; to be called inside `Database.together`, before its images.

        Parameters
        ----------
        report
            What became of its images, as JSON.
        images
            How many it has, where that is known only now.

        Raises
        ------
        LeaseLostError
            Another worker has it, or the run is over: nothing must be committed.
        """
        n = Shard.n if images is None else images
        # What it listed is in the catalog now.
        self._end(claim, state=DONE, report=report, done=n, n=n, listing=b"")

    def fail(self, claim: Claim, error: str) -> None:
        """Say that a shard cannot be done, and why.

        Raises
        ------
        LeaseLostError
            Another worker has it, or the run is over.
        """
        # It may name a file whose name is no text, and a server takes no NUL.
        text = error.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
        self._end(claim, state=FAILED, error=text)

    def release(self, claim: Claim) -> bool:
        """Give a shard back undone; False where it was not held any more."""
        with self._database.claiming() as connection:
            values = {"state": TODO, "lease_until": None, "done": 0}
            statement = update(Shard).where(_is_current(claim)).values(values)
            return bool(connection.execute(statement).rowcount)

    def expire(self, run: Run, worker: str) -> None:
        """End the leases of a worker that is known to be dead."""
        leased = and_(Shard.run == run.token, Shard.state == RUNNING, Shard.worker == worker)
        with self._database.claiming() as connection:
            connection.execute(update(Shard).where(leased).values(lease_until=None))

    def is_open(self, run: Run) -> bool:
        """Say whether a run has shards that are neither done nor failed."""
        left = select(Shard.id).where(Shard.state.in_((TODO, RUNNING)), Shard.run == run.token)
        with self._database.reading() as connection:
            return connection.execute(left.limit(1)).one_or_none() is not None

    def progress(self, run: Run, *, most_failures: int | None = MOST_FAILURES) -> Progress | None:
        """Return how far a run has come, None where another one has taken its place.

        Parameters
        ----------
        most_failures
            Of so many shards that failed the reasons are told; None for all.
        """
        own = Shard.run == run.token
        done = case((Shard.state == RUNNING, Shard.done), (Shard.state == DONE, Shard.n), else_=0)
        # How many pictures an archive has is known when it is done.
        more = and_(Shard.state == RUNNING, Shard.done > Shard.n)
        n = case((more, Shard.done), else_=Shard.n)
        counts = select(Shard.state, func.count(), func.sum(n), func.sum(done))
        with self._database.reading() as connection:
            current = _read_run(connection)
            if current is None or current.token != run.token:
                return None
            rows = connection.execute(counts.where(own).group_by(Shard.state)).all()
            working = select(Shard.worker).where(own, Shard.state == RUNNING).order_by(Shard.worker)
            workers = [each or "" for each in connection.execute(working).scalars()]
            failed = any(state == FAILED for state, *_ in rows)
            failures = self._failures(connection, most_failures) if failed else []
        return Progress(
            current,
            {state: count for state, count, _, _ in rows},
            sum(int(n) for _, _, n, _ in rows),
            sum(int(each) for _, _, _, each in rows),
            sum(int(n) for state, _, n, _ in rows if state == FAILED),
            workers,
            failures,
        )

    def reports(self, run: Run) -> Iterator[str]:
        """Yield what was reported of each shard that is done."""
        query = select(Shard.report).where(Shard.run == run.token, Shard.state == DONE)
        with self._database.reading() as connection:
            for rows in bulk_of(connection).stream(connection, query.order_by(Shard.id)):
                yield from (report for (report,) in rows if report)

    def failed_files(self) -> list[ListedFile]:
        """Return the files of all shards that failed, as far as their listings are sound."""
        query = select(Shard.listing, Shard.listing_hash).where(Shard.state == FAILED)
        codec = self._database.paths
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(Shard.id)).all()
        files: list[ListedFile] = []
        for data, expected_hash in rows:
            # Files of a listing that cannot be read are files like all others.
            with suppress(CatalogDamagedError):
                files += Listing.read(data, expected_hash, codec)
        return files

    def _failures(self, connection: Connection, most: int | None) -> list[FailedShard]:
        query = select(Shard.first, Shard.last, Shard.n, Shard.error).where(Shard.state == FAILED)
        decode = self._database.paths.decode
        return [
            FailedShard(decode(first), decode(last), n, error or "")
            for first, last, n, error in connection.execute(query.order_by(Shard.id).limit(most))
        ]

    def _end(self, claim: Claim, **values: Any) -> None:
        values["lease_until"] = None
        with self._database.claiming() as connection:
            statement = update(Shard).where(_is_current(claim)).values(values)
            if not connection.execute(statement).rowcount:
                raise LeaseLostError(
                    f"shard {claim.shard}",
                    f"its lease ran out, or another run has begun ({claim.worker})",
                    "Nothing of it was kept; whoever has it now will finish it",
                )


def _row(run: Run, listing: Listing) -> dict[str, Any]:
    return {
        "run": run.token,
        "first": listing.first,
        "last": listing.last,
        "n": listing.n,
        "state": TODO,
        "attempt": 0,
        "done": 0,
        "listing_hash": listing.hash,
        "listing": listing.data,
    }


def _read_run(connection: Connection) -> Run | None:
    value = read_setting(connection, _RUN)
    if value is None:
        return None
    facts = json.loads(value)
    return Run(facts["token"], facts["source"], datetime.fromisoformat(facts["at"]))


def _now(connection: Connection) -> datetime:
    """Return the time by the database's clock: workers' clocks may differ."""
    now: datetime = connection.execute(select(func.now())).scalar_one()
    # SQLite's is UTC, without saying so.
    return now if now.tzinfo else now.replace(tzinfo=UTC)


_CLAIMED = (Shard.id, Shard.attempt, Shard.listing, Shard.listing_hash)


def _next(connection: Connection, run: Run, after: int, most_attempts: int) -> Any:
    """Return a shard to take; what was taken too often fails on the way."""
    row = _next_todo(connection, run, after) or _next_todo(connection, run, 0)
    while row is None:
        row = _next_expired(connection, run)
        if row is None or row.attempt < most_attempts:
            return row
        error = f"{row.attempt} workers were lost while they were at it"
        _change(connection, row.id, state=FAILED, error=error, lease_until=None)
        row = None
    return row


def _next_todo(connection: Connection, run: Run, after: int) -> Any:
    # What was claimed leaves dead rows at the head of an index: nobody wades through them twice.
    query = select(*_CLAIMED).where(Shard.state == TODO, Shard.id > after, Shard.run == run.token)
    return connection.execute(_first(query)).one_or_none()


def _next_expired(connection: Connection, run: Run) -> Any:
    lease = Shard.lease_until
    expired = and_(Shard.state == RUNNING, or_(lease.is_(None), lease < _now(connection)))
    query = select(*_CLAIMED).where(expired, Shard.run == run.token)
    return connection.execute(_first(query)).one_or_none()


def _first(query: Query) -> Query:
    return query.order_by(Shard.id).limit(1).with_for_update(skip_locked=True)


def _is_current(claim: Claim) -> Any:
    return and_(
        Shard.id == claim.shard,
        Shard.run == claim.run,
        Shard.attempt == claim.attempt,
        Shard.state == RUNNING,
    )


def _change(connection: Connection, shard: int, **values: Any) -> None:
    connection.execute(update(Shard).where(Shard.id == shard).values(values))
