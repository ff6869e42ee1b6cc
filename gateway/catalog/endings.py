"""How an instance ends, whatever ends it: its row becomes final once, and its children are woken or cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gateway.catalog import states
from gateway.catalog.base import milliseconds, table
from gateway.catalog.engine import changed
from gateway.catalog.instances import PluginInstance

INSTANCES = table(PluginInstance)
ERROR_CODES = {"deadline": "CODE13", "inputs": "CODE17", "staging": "CODE18", "stuck": "CODE18"}
"""CUBE's codes (cube-api.md section 2) for the reasons that have one."""


def end(session: Session, instance_id: int, state: str, *, now: datetime, **fields: Any) -> bool:
    """Make a row final; its waiting children may then run, or are cancelled with all who wait for them.

    Compare-and-set: False, and nothing has changed, if the row was final already.
    """
    values = {"status": state, "end_date": now, "finished_ms": milliseconds(now), **fields}
    if state == states.FAILED:
        values.setdefault("error_code", ERROR_CODES.get(fields.get("reason", ""), ""))
    whole = update(INSTANCES).where(INSTANCES.c.id == instance_id, INSTANCES.c.status.not_in(states.FINAL))
    if not changed(session, whole.values(values)):
        return False
    if state == states.FINISHED:
        wake_children(session, instance_id, now=now)
    else:
        cancel_waiting(session, instance_id, now=now)
    return True


def wake_children(session: Session, parent_id: int, *, now: datetime) -> None:
    """The children that waited for this parent may run."""
    waiting = update(INSTANCES).where(INSTANCES.c.previous_id == parent_id, INSTANCES.c.status == states.WAITING)
    session.execute(waiting.values(status=states.CREATED, queued_ms=milliseconds(now)))


def cancel_waiting(session: Session, parent_id: int, *, now: datetime) -> None:
    """Cancel all who wait for this parent, and those who wait for them (two statements, however deep the tree)."""
    waiting = select(INSTANCES.c.id).where(INSTANCES.c.status == states.WAITING, INSTANCES.c.previous_id == parent_id)
    tree = waiting.cte("tree", recursive=True)
    deeper = select(INSTANCES.c.id).where(INSTANCES.c.status == states.WAITING, INSTANCES.c.previous_id == tree.c.id)
    ids = list(session.scalars(select(tree.union_all(deeper).c.id)))
    if ids:
        sentence = f"It waited for instance {parent_id}, which did not finish."
        values = {"status": states.CANCELLED, "end_date": now, "finished_ms": milliseconds(now), "sentence": sentence}
        session.execute(update(INSTANCES).where(INSTANCES.c.id.in_(ids)).values(values))
