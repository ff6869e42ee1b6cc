"""The life of a plugin instance, in CUBE's words. Pure.

    waiting -> created -> copying -> scheduled -> started -> uploading -> registeringFiles -> finishedSuccessfully
       |          |          |           |           |           |               |        \\-> finishedWithError
       \\----------+----------+-----------+-----------+-----------+---------------+---------> cancelled

`waiting`: the parent has not ended. `created`: it may run, and has no slot yet. From `copying` on it is out as a job.
Status events come late, doubled and in any order: a state only ever moves to the right, steps may be jumped over, and
the three states at the end are final.
"""

from __future__ import annotations

from collections.abc import Iterable

from functions.jobs import CANCELLED as RESULT_CANCELLED
from functions.jobs import FAILED as RESULT_FAILED
from functions.jobs import FINISHED as RESULT_FINISHED

WAITING, CREATED, COPYING, SCHEDULED = "waiting", "created", "copying", "scheduled"
STARTED, UPLOADING, REGISTERING = "started", "uploading", "registeringFiles"
FINISHED, FAILED, CANCELLED = "finishedSuccessfully", "finishedWithError", "cancelled"

ORDER = (WAITING, CREATED, COPYING, SCHEDULED, STARTED, UPLOADING, REGISTERING)
"""The states before the end, in the order in which they are lived through."""
QUEUED = (WAITING, CREATED)
"""No job of it exists: the catalog alone decides."""
OUT = (COPYING, SCHEDULED, STARTED, UPLOADING, REGISTERING)
"""The functions know it as a job: only the job's `result` ends it."""
FINAL = (FINISHED, FAILED, CANCELLED)
ALL = ORDER + FINAL

VERDICTS = {RESULT_FINISHED: FINISHED, RESULT_FAILED: FAILED, RESULT_CANCELLED: CANCELLED}
"""The state that a job's `result` puts its instance in."""

MARKS = {
    CREATED: "queued_ms",
    COPYING: "released_ms",
    SCHEDULED: "dispatched_ms",
    STARTED: "started_ms",
    UPLOADING: "uploading_ms",
    REGISTERING: "committed_ms",
}
"""The mark on the timeline that is set when a state is first heard of."""


def is_final(state: str) -> bool:
    return state in FINAL


def moves(state: str, to: str) -> bool:
    """May an instance move from `state` to `to`?"""
    if state in FINAL:
        return False
    return to in FINAL or ORDER.index(to) > ORDER.index(state)


def sources(to: str) -> tuple[str, ...]:
    """The states from which a status event may move an instance to `to`. An event never lets a queued one start."""
    return tuple(state for state in OUT if moves(state, to))


def after_parent(parent: str | None) -> str:
    """The first state of an instance whose parent is in state `parent` (None: it has no parent)."""
    if parent is None or parent == FINISHED:
        return CREATED
    return CANCELLED if parent in FINAL else WAITING


def after_parents(parents: Iterable[str]) -> str:
    """The first state of an instance that needs what all these parents make, none of which may have failed."""
    firsts = {after_parent(parent) for parent in parents}
    return next((state for state in (CANCELLED, WAITING) if state in firsts), CREATED)
