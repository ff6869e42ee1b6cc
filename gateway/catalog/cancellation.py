"""A user cancels: what has no job yet is cancelled here; of a job that is out, the functions decide (design 3.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gateway.catalog import endings, outbox, states
from gateway.catalog.base import table
from gateway.catalog.faults import Absent
from gateway.catalog.instances import PluginInstance

INSTANCES = table(PluginInstance)
Answer = Literal["cancelled", "asked", "over"]


def ask_cancel(session: Session, instance_id: int, *, now: datetime) -> Answer:
    """Cancel an instance: `cancelled` at once, with all who wait for it; `asked` if it is out; `over` if it has ended.

    Asking again asks again, which is safe. Raises Absent.
    """
    question = select(INSTANCES.c.status, INSTANCES.c.job).where(INSTANCES.c.id == instance_id)
    row = session.execute(question.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise Absent("No PluginInstance matches the given query.")
    if states.is_final(row.status):
        return "over"
    if row.status in states.QUEUED:
        endings.end(session, instance_id, states.CANCELLED, now=now, sentence="It was cancelled before it began.")
        return "cancelled"
    session.execute(update(INSTANCES).where(INSTANCES.c.id == instance_id).values(cancel=True))
    outbox.post(session, [(outbox.CANCEL, row.job, b"")], now=now)
    return "asked"
