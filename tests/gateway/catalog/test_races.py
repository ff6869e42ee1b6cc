"""Things that happen at the same moment, in threads, on each database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import func, select

from functions.errors import Temporary
from gateway.catalog import deletions, folders, outbox, states
from gateway.catalog.cancellation import ask_cancel
from gateway.catalog.instances import PluginInstance
from gateway.catalog.release import release
from gateway.catalog.settlement import settle
from gateway.catalog.submission import Order, submit
from gateway.catalog.tree import File, Folder
from gateway.catalog.uploads import Stored, register
from tests.gateway.catalog.stage import Stage
from tests.scale import count

ROUNDS = count(200, 30, 8)
RESULT = {"verdict": "finished", "attempt": 1}


def at_once(*actions: Callable[[], object]) -> None:
    """Run these in threads that begin together; what lost a race is tried again, as the server does."""
    barrier = threading.Barrier(len(actions))
    errors: list[BaseException] = []

    def run(action: Callable[[], object]) -> None:
        barrier.wait()
        for _ in range(50):
            try:
                action()
                return
            except Temporary:
                continue
            except BaseException as error:  # noqa: BLE001 - told below
                errors.append(error)
                return

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def submitting(stage: Stage, plugin: int, previous: int | None = None) -> Callable[[], object]:
    def run() -> None:
        with stage.catalog.transaction() as session:
            submit(session, stage.ann, Order(plugin, previous_id=previous), now=stage.now)

    return run


def settling(stage: Stage, instance: int, verdict: str = "finished") -> Callable[[], object]:
    job, outputs = stage.job(instance), [stage.output(instance, "x/out.txt"), stage.output(instance, "y.txt")]
    return lambda: settle(stage.catalog, job, RESULT | {"verdict": verdict}, outputs, now=stage.now)


@pytest.mark.parametrize("verdict", ["finished", "failed"])
def test_no_child_waits_for_a_parent_that_has_just_ended(stage: Stage, verdict: str) -> None:
    stage.set_slots(1000)
    for _ in range(ROUNDS):
        parent = stage.run(stage.gen)
        at_once(
            settling(stage, parent, verdict), submitting(stage, stage.ds, parent), submitting(stage, stage.ds, parent)
        )
        with stage.catalog.reading() as session:
            children = session.scalars(select(PluginInstance.status).where(PluginInstance.previous_id == parent)).all()
        assert list(children) == [states.COPYING if verdict == "finished" else states.CANCELLED] * 2


def test_a_doubled_result_registers_once(stage: Stage) -> None:
    for number in range(ROUNDS):
        instance = stage.run(stage.gen)
        at_once(*[settling(stage, instance)] * 3)
        assert stage.status(instance) == [states.FINISHED]
        assert len(stage.paths()) == 2 * (number + 1)


def test_slots_are_never_exceeded(stage: Stage) -> None:
    at_once(*[submitting(stage, stage.gen)] * 8)
    with stage.catalog.reading() as session:
        out = select(func.count()).where(PluginInstance.status.in_(states.OUT))
        assert session.scalar(out) == 2
        assert outbox.size(session) == 2
        running = list(session.scalars(select(PluginInstance.id).where(PluginInstance.status.in_(states.OUT))))
    at_once(*[settling(stage, instance) for instance in running], submitting(stage, stage.gen))
    with stage.catalog.reading() as session:
        assert session.scalar(out) == 2
        assert outbox.size(session) == 4


def test_what_is_cancelled_while_it_is_released_is_either_out_or_over(stage: Stage) -> None:
    for _ in range(ROUNDS):
        stage.set_slots(0)
        instance = stage.run(stage.gen)
        stage.set_slots(1000)

        def let_out() -> None:
            with stage.catalog.transaction() as session:
                release(session, now=stage.now)

        def cancel(instance: int = instance) -> None:
            with stage.catalog.transaction() as session:
                ask_cancel(session, instance, now=stage.now)

        at_once(let_out, cancel)
        with stage.catalog.reading() as session:
            kinds = {
                letter.kind
                for letter in outbox.next_letters(session, limit=10_000)
                if letter.job == stage.job(instance)
            }
        row = stage.instance(instance)
        if row.status == states.CANCELLED:
            assert kinds == set()
        else:
            assert (row.status, row.cancel, kinds) == (states.COPYING, True, {"request", "cancel"})


def test_uploads_into_a_new_folder_at_once_share_it(stage: Stage) -> None:
    def upload(number: int, round_: int, now: datetime) -> None:
        with stage.catalog.transaction() as session:
            path = f"home/ann/uploads/{round_}/deep/{number}.txt"
            register(session, path, stage.ann, Stored(f"k{round_}-{number}", 1, "e"), now=now)

    for round_ in range(ROUNDS):
        at_once(*[lambda number=number, round_=round_: upload(number, round_, stage.now) for number in range(4)])
        with stage.catalog.reading() as session:
            folder = session.scalars(select(Folder).where(Folder.path == f"home/ann/uploads/{round_}/deep")).one()
            assert session.scalar(select(func.count()).where(File.folder_id == folder.id)) == 4


def test_uploads_to_one_path_at_once_leave_one_and_queue_the_others(stage: Stage) -> None:
    def upload(key: str) -> None:
        with stage.catalog.transaction() as session:
            register(session, "home/ann/uploads/a.txt", stage.ann, Stored(key, 1, "e"), now=stage.now)

    at_once(*[lambda key=key: upload(key) for key in ("k1", "k2", "k3", "k4")])
    with stage.catalog.reading() as session:
        (kept,) = session.scalars(select(File.key)).all()
        due = deletions.due(session, now=stage.tick(100))
    assert sorted([kept, *due]) == ["k1", "k2", "k3", "k4"]


def test_folders_made_at_once_are_made_once(stage: Stage) -> None:
    def make() -> None:
        with stage.catalog.transaction() as session:
            folders.ensure(
                session, ["home/ann/uploads/p/q", "home/ann/uploads/r"], owner_id=stage.ann.id, now=stage.now
            )

    at_once(*[make] * 4)
    with stage.catalog.reading() as session:
        assert (
            session.scalar(select(func.count()).select_from(Folder).where(Folder.path.like("home/ann/uploads/%"))) == 3
        )


@pytest.mark.parametrize("builtin", [True, False])
def test_who_joins_several_parents_is_woken_though_all_end_at_once(stage: Stage, builtin: bool) -> None:
    stage.set_slots(10**6)
    root = stage.run(stage.gen)
    stage.end(root, outputs=[])
    plugin, woken = (stage.topological, states.FINISHED) if builtin else (stage.ts, states.COPYING)
    for _ in range(ROUNDS):
        parents = [stage.run(stage.ds, previous=root) for _ in range(3)]
        order = Order(plugin, {"plugininstances": ",".join(map(str, parents))}, previous_id=parents[1])
        made: list[int] = []

        def joining(order: Order = order, made: list[int] = made) -> None:
            with stage.catalog.transaction() as session:
                made.append(submit(session, stage.ann, order, now=stage.now))

        jobs = [stage.job(one) for one in parents]
        endings = [lambda job=job: settle(stage.catalog, job, RESULT, [], now=stage.now) for job in jobs]
        at_once(joining, *endings)
        assert stage.status(made[-1]) == [woken]
