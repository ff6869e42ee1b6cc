"""How far a job is: what status events tell. They move a row forward, never back, and no final one (`states`)."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from sqlalchemy import Update, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from gateway.catalog import states
from gateway.catalog.base import milliseconds, one_of, table
from gateway.catalog.instances import PluginInstance

INSTANCES = table(PluginInstance)
STAGED = "staged_ms"
"""The mark of `job.staged`, which is no status of CUBE's."""


STATUS = select(INSTANCES.c.status).where(INSTANCES.c.job == bindparam("name"))


def note_status(session: Session, job: str, status: str, at: datetime, *, mark: str | None = None) -> bool:
    """Note that a job has been in `status` at that time; True if its row is one that may still change.

    One statement; its transaction need not be durable. Late, doubled and reordered events do no harm: the status moves
    only forward, the first time of each mark on the timeline stays. `mark` names another mark than the status's own.
    """
    values = {"name": job, "at": milliseconds(at)}
    return session.connection().execute(_note(status, mark or states.MARKS[status]), values).rowcount > 0


@cache
def _note(status: str, mark: str) -> Update:
    state, column = INSTANCES.c.status, INSTANCES.c[mark]
    forward = case((one_of(state, states.sources(status)), status), else_=state)
    known = update(INSTANCES).where(INSTANCES.c.job == bindparam("name"), one_of(state, states.OUT))
    return known.values({state: forward, column: func.coalesce(column, bindparam("at"))})


def is_out(session: Session, job: str) -> bool | None:
    """Do the functions still have to do with a job? None: the catalog does not know it."""
    status = session.connection().execute(STATUS, {"name": job}).scalar()
    return None if status is None else not states.is_final(status)
