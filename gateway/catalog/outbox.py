"""The outbox: what the functions must be told, written in the same transaction as the change that it tells."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from gateway.catalog.base import table
from gateway.catalog.engine import starts_work
from gateway.catalog.work import OutboxRow

OUTBOX = table(OutboxRow)
REQUEST, CANCEL = "request", "cancel"
INSERT = OUTBOX.insert()
NEXT = (
    select(OUTBOX.c.id, OUTBOX.c.kind, OUTBOX.c.job, OUTBOX.c.body)
    .where(OUTBOX.c.id > bindparam("after"))
    .order_by(OUTBOX.c.id)
    .limit(bindparam("most"))
)


@dataclass(frozen=True)
class Letter:
    """One row of the outbox. `body` is the NDJSON of the job's `request` record; empty for a cancel."""

    id: int
    kind: str
    job: str
    body: bytes


def post(session: Session, letters: Iterable[tuple[str, str, bytes]], *, now: datetime) -> None:
    """Put (kind, job, body) into the outbox: they go out once the transaction is committed."""
    rows = [
        {"kind": kind, "job": job, "body": zlib.compress(body, 1) if body else b"", "created": now}
        for kind, job, body in letters
    ]
    if rows:
        session.execute(INSERT, rows)
        starts_work(session)


def next_letters(session: Session, *, limit: int = 50, after: int = 0) -> list[Letter]:
    """The oldest rows with an id above `after`."""
    rows = session.execute(NEXT, {"after": after, "most": limit})
    return [Letter(row.id, row.kind, row.job, zlib.decompress(row.body) if row.body else b"") for row in rows]


def forget(session: Session, ids: Iterable[int]) -> None:
    """These have been sent: their record is written and their event is out."""
    session.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(list(ids))))


def size(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(OUTBOX)) or 0
