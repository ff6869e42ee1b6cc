"""How an instance ends, whatever ends it: its row becomes final once, and its children are woken or cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session

from gateway.catalog import states
from gateway.catalog.base import milliseconds, one_of, table
from gateway.catalog.instances import PluginInstance

INSTANCES = table(PluginInstance)
ERROR_CODES = {"deadline": "CODE13", "inputs": "CODE17", "staging": "CODE18", "stuck": "CODE18"}
"""CUBE's codes (cube-api.md section 2) for the reasons that have one."""


def _who_waits() -> Select[int]:
    waiting = select(INSTANCES.c.id).where(INSTANCES.c.status == states.WAITING)
    tree = waiting.where(INSTANCES.c.previous_id == bindparam("parent")).cte("tree", recursive=True)
    return select(tree.union_all(waiting.where(INSTANCES.c.previous_id == tree.c.id)).c.id)


END = update(INSTANCES).where(INSTANCES.c.id == bindparam("instance"), one_of(INSTANCES.c.status, states.ORDER))
WAKE = (
    update(INSTANCES)
    .where(INSTANCES.c.previous_id == bindparam("parent"), INSTANCES.c.status == states.WAITING)
    .values(status=states.CREATED)
)
WHO_WAITS = _who_waits()


def end(session: Session, instance_id: int, state: str, *, now: datetime, **fields: Any) -> bool:
    """Make a row final; its waiting children may then run, or are cancelled with all who wait for them.

    Compare-and-set: False, and nothing has changed, if the row was final already.
    """
    values = {"status": state, "end_date": now, "finished_ms": milliseconds(now), **fields}
    if state == states.FAILED:
        values.setdefault("error_code", ERROR_CODES.get(fields.get("reason", ""), ""))
    if not session.connection().execute(END, {"instance": instance_id, **values}).rowcount:
        return False
    if state == states.FINISHED:
        wake_children(session, instance_id, now=now)
    else:
        cancel_waiting(session, instance_id, now=now)
    return True


def wake_children(session: Session, parent_id: int, *, now: datetime) -> None:
    """The children that waited for this parent may run."""
    session.connection().execute(WAKE, {"parent": parent_id, "queued_ms": milliseconds(now)})


def cancel_waiting(session: Session, parent_id: int, *, now: datetime) -> None:
    """Cancel all who wait for this parent, and those who wait for them (two statements, however deep the tree)."""
    ids = list(session.scalars(WHO_WAITS, {"parent": parent_id}))
    if ids:
        session.execute(update(INSTANCES).where(INSTANCES.c.id.in_(ids)).values(in_vain(parent_id, now)))


def in_vain(parent_id: int, now: datetime) -> dict[str, Any]:
    """The fields of an instance whose parent did not finish: it ends before it began."""
    sentence = f"It needs what instance {parent_id} makes, which did not finish."
    return {"status": states.CANCELLED, "end_date": now, "finished_ms": milliseconds(now), "sentence": sentence}
