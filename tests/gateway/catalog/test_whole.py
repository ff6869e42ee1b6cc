"""Whatever users and functions do, in whatever order: what must hold of the whole catalog, after each step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gateway.catalog import outbox, states
from gateway.catalog.cancellation import ask_cancel
from gateway.catalog.engine import open_catalog
from gateway.catalog.instances import PluginInstance
from gateway.catalog.progress import note_status
from gateway.catalog.tree import Folder
from tests.gateway.catalog.stage import Stage
from tests.scale import count

SLOTS = 2
MEMORY = Path("/dev/shm")
"""Where a database waits for no disk; what survives a power cut is not asked here."""
WHICH = st.integers(0, 30)
STEPS = st.one_of(
    st.tuples(st.just("root"), st.sampled_from(["ann", "bob"])),
    st.tuples(st.just("child"), WHICH),
    st.tuples(st.just("cancel"), WHICH),
    st.tuples(st.sampled_from(["finished", "failed", "cancelled"]), WHICH),
    st.tuples(st.sampled_from(states.OUT), WHICH),
)


def play(stage: Stage, kind: str, argument: int | str) -> None:
    """One step. Results come for jobs that are out, or were: a second one may come at any time."""
    instances = list(every(stage))
    if kind == "root":
        stage.run(stage.gen, user=stage.ann if argument == "ann" else stage.bob)
        return
    if not instances:
        return
    chosen = instances[int(argument) % len(instances)]
    if kind == "child":
        owner = stage.ann if chosen.owner_id == stage.ann.id else stage.bob
        stage.run(stage.ds, previous=chosen.id, user=owner)
    elif kind == "cancel":
        with stage.catalog.transaction() as session:
            ask_cancel(session, chosen.id, now=stage.tick())
    elif kind in states.OUT:
        with stage.catalog.transaction(durable=False) as session:
            note_status(session, stage.job(chosen.id), kind, stage.tick())
    elif chosen.released_ms is not None:
        stage.end(chosen.id, kind)


def every(stage: Stage) -> list[PluginInstance]:
    with stage.catalog.reading() as session:
        return list(session.scalars(select(PluginInstance).order_by(PluginInstance.id)))


def check(stage: Stage, before: dict[int, str]) -> dict[int, str]:
    """What must hold; answers the states."""
    rows = {row.id: row for row in every(stage)}
    now = {key: row.status for key, row in rows.items()}
    out = [key for key, status in now.items() if status in states.OUT]
    assert len(out) <= SLOTS
    assert len(out) == SLOTS or states.CREATED not in now.values(), "a slot is free and something could go"
    for key, row in rows.items():
        old = before.get(key)
        assert old is None or old == row.status or states.moves(old, row.status), f"{old} became {row.status}"
        assert (row.status in states.FINAL) == (row.finished_ms is not None)
        if row.previous_id is not None:
            parent = now[row.previous_id]
            assert (row.status == states.WAITING) == (parent not in states.FINAL and row.status not in states.FINAL)
            assert parent == states.FINISHED or row.released_ms is None
    with stage.catalog.reading() as session:
        letters = outbox.next_letters(session, limit=10_000)
        requests = [letter.job for letter in letters if letter.kind == outbox.REQUEST]
        hidden = select(Folder.instance_id).where(Folder.instance_id.is_not(None), ~Folder.complete)
        unfinished = set(session.scalars(hidden))
    assert sorted(requests) == sorted(str(row.job) for row in rows.values() if row.released_ms is not None)
    assert not {key for key, row in rows.items() if row.status in states.FINAL and row.released_ms} & unfinished
    return now


@settings(max_examples=count(1000, 60, 15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=25))
def test_no_order_of_events_freezes_loses_or_doubles_a_job(
    sqlite_template: Path, steps: list[tuple[str, int | str]]
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        shutil.copy(sqlite_template, f"{folder}/catalog.db")
        stage = Stage(open_catalog(f"sqlite:///{folder}/catalog.db", migrate=False), slots=SLOTS)
        known: dict[int, str] = {}
        for kind, argument in steps:
            play(stage, kind, argument)
            known = check(stage, known)
        while out := [row for row in every(stage) if row.status in states.OUT]:
            for row in out:
                stage.end(row.id)
                known = check(stage, known)
        assert set(known.values()) <= set(states.FINAL)
        stage.catalog.close()
