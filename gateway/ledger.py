"""The catalog as the relay, the sweep and the gateway's handler see it: each of their questions is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from functions.objects import ObjectStore
from functions.records import Output, Value
from gateway.catalog import deletions, outbox, progress, repairs, settlement
from gateway.catalog.engine import Catalog
from gateway.catalog.outbox import Letter
from gateway.catalog.release import release
from gateway.catalog.repairs import Backoff
from gateway.sweep import Unfinished


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Ledger:
    """`store` is asked for nothing but the deletion of objects that no row names any more."""

    catalog: Catalog
    store: ObjectStore
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], datetime] = utc_now

    # what the relay asks

    def take(self, limit: int) -> Sequence[Letter]:
        with self.catalog.reading() as session:
            return outbox.next_letters(session, limit=limit)

    def forget(self, letters: Sequence[Letter]) -> None:
        """If a power cut undoes it, they are sent once more: so nobody waits for the disk."""
        if letters:
            with self.catalog.transaction(durable=False) as session:
                outbox.forget(session, [letter.id for letter in letters])

    # what the gateway's handler asks

    def note(self, job: str, status: str, at: datetime) -> None:
        with self.catalog.transaction(durable=False) as session:
            progress.note_status(session, job, status, at)

    def settle(self, job: str, result: Value, outputs: Iterator[Output], log_tail: str) -> None:
        settlement.settle(self.catalog, job, result, outputs, now=self.clock(), log_tail=log_tail)

    # what the sweep asks

    def release(self) -> None:
        with self.catalog.transaction() as session:
            release(session, now=self.clock())

    def due(self, limit: int) -> Sequence[Unfinished]:
        with self.catalog.transaction() as session:
            ill = repairs.due(session, now=self.clock(), backoff=self.backoff)
            repairs.forget_ended(session)
        return [Unfinished(one.job, one.cancel) for one in ill[:limit]]

    def is_out(self, job: str) -> bool | None:
        with self.catalog.reading() as session:
            return progress.is_out(session, job)

    def is_idle(self) -> bool:
        with self.catalog.reading() as session:
            return not repairs.anything_pending(session)

    def remove_objects(self) -> None:
        """Delete from the store what no row and no unfinished job can name any more."""
        with self.catalog.transaction() as session:
            deletions.forget_kept(session)
            keys = deletions.due(session, now=self.clock())
        for key in keys:
            self.store.delete(key)
        if keys:
            with self.catalog.transaction() as session:
                deletions.forget(session, keys)
