"""Which unfinished jobs the sweep looks at, and whether there is anything left for it to do (design 3.9)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gateway.catalog import states
from gateway.catalog.base import milliseconds, table
from gateway.catalog.instances import PluginInstance
from gateway.catalog.work import OutboxRow, PendingDeletion, Repair

INSTANCES, REPAIRS = table(PluginInstance), table(Repair)


@dataclass(frozen=True)
class Backoff:
    """How patient the sweep is with one job, in seconds: it doubles from `first` to `longest`, with jitter.

    `batch`: the most jobs in one sweep, so that a store which was down for a while is not stormed when it is back.
    """

    first: float = 60.0
    longest: float = 1800.0
    batch: int = 50

    def wait(self, tries: int, jitter: float) -> timedelta:
        """How long until the next look after `tries` looks; `jitter` from 0 to 1 makes it up to a quarter longer."""
        return timedelta(seconds=min(self.first * 2 ** min(tries, 30), self.longest) * (1 + jitter / 4))


@dataclass(frozen=True)
class Ill:
    """An unfinished job that is due: has its user asked to cancel it, and how often was it looked at before?"""

    instance: int
    job: str
    cancel: bool
    tries: int


def due(session: Session, *, now: datetime, backoff: Backoff, chance: random.Random | None = None) -> list[Ill]:
    """The unfinished jobs that are due, the longest overdue first; their next look is put off by the backoff.

    A job is first due when `backoff.first` has passed since its release.
    """
    old_ms = milliseconds(now - timedelta(seconds=backoff.first))
    never = REPAIRS.c.instance_id.is_(None) & (INSTANCES.c.released_ms <= old_ms)
    question = (
        select(INSTANCES.c.id, INSTANCES.c.job, INSTANCES.c.cancel, REPAIRS.c.tries)
        .select_from(INSTANCES.outerjoin(REPAIRS, REPAIRS.c.instance_id == INSTANCES.c.id))
        .where(INSTANCES.c.status.in_(states.OUT), or_(never, REPAIRS.c.next_at <= now))
        .order_by(REPAIRS.c.next_at.is_not(None), REPAIRS.c.next_at, INSTANCES.c.released_ms)
        .limit(backoff.batch)
    )
    ill = [Ill(row.id, row.job, row.cancel, row.tries or 0) for row in session.execute(question)]
    _put_off(session, ill, now, backoff, chance or random.Random())
    return ill


def forget_ended(session: Session) -> None:
    """Forget the repairs of jobs that have ended."""
    ended = select(INSTANCES.c.id).where(INSTANCES.c.status.in_(states.FINAL))
    session.execute(delete(REPAIRS).where(REPAIRS.c.instance_id.in_(ended)))


def anything_pending(session: Session) -> bool:
    """Must the sweep stay armed: is there an unfinished instance, an unsent outbox row, an object to delete?"""
    unfinished = exists().where(INSTANCES.c.status.in_(states.ORDER))
    unsent = exists().select_from(table(OutboxRow))
    undeleted = exists().select_from(table(PendingDeletion))
    return bool(session.scalar(select(or_(unfinished, unsent, undeleted))))


def _put_off(session: Session, ill: list[Ill], now: datetime, backoff: Backoff, chance: random.Random) -> None:
    rows = [
        {
            "instance_id": one.instance,
            "next_at": now + backoff.wait(one.tries, chance.random()),
            "tries": one.tries + 1,
        }
        for one in ill
    ]
    if not rows:
        return
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(REPAIRS)
    change = {"next_at": insert.excluded.next_at, "tries": insert.excluded.tries}
    session.execute(insert.on_conflict_do_update(index_elements=[REPAIRS.c.instance_id], set_=change), rows)
