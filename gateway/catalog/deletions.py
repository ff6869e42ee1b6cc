"""Objects that may have lost their last row: deleted later, when nobody can name them any more (design 3.4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from gateway.catalog import states
from gateway.catalog.base import table
from gateway.catalog.engine import TRANSACTION_SECONDS, insert_new, starts_work
from gateway.catalog.instances import PluginInstance
from gateway.catalog.tree import File
from gateway.catalog.work import PendingDeletion

DELETIONS, FILES, INSTANCES = table(PendingDeletion), table(File), table(PluginInstance)


def queue(session: Session, keys: Iterable[str], *, now: datetime) -> None:
    """Say that rows which named these keys are gone, in the transaction that removed or changed them."""
    rows = [{"key": key, "created": now} for key in dict.fromkeys(keys)]
    if rows:
        session.execute(insert_new(session, PendingDeletion), rows)
        starts_work(session)


def due(session: Session, *, now: datetime, limit: int = 100) -> list[str]:
    """Keys whose objects can be deleted now: no row names them, and no unfinished job was told of them.

    A job names what it read when it was released, a copy what it read when it was made. Both cannot have read a row
    that went (by more than a transaction may live) before they began.
    """
    released_ms = session.scalar(select(func.min(INSTANCES.c.released_ms)).where(INSTANCES.c.status.in_(states.OUT)))
    begun = now if released_ms is None else min(now, datetime.fromtimestamp(released_ms / 1000, UTC))
    question = select(DELETIONS.c.key).where(
        DELETIONS.c.created < begun - timedelta(seconds=TRANSACTION_SECONDS),
        ~exists().where(FILES.c.key == DELETIONS.c.key),
    )
    return list(session.scalars(question.order_by(DELETIONS.c.id).limit(limit)))


def forget(session: Session, keys: Iterable[str]) -> None:
    """The objects are gone from the store."""
    session.execute(delete(DELETIONS).where(DELETIONS.c.key.in_(list(keys))))


def forget_kept(session: Session) -> None:
    """Forget the wishes to delete what a row names again."""
    session.execute(delete(DELETIONS).where(exists().where(FILES.c.key == DELETIONS.c.key)))
