"""What the sweep is told to look at, and when it may rest."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog import deletions, outbox, repairs
from gateway.catalog.cancellation import ask_cancel
from gateway.catalog.repairs import Backoff, Ill
from tests.gateway.catalog.stage import Stage

CALM = Backoff(first=60, longest=1800, batch=3)


def due(stage: Stage, later: float, backoff: Backoff = CALM) -> list[Ill]:
    with stage.catalog.transaction() as session:
        return repairs.due(session, now=stage.tick(later), backoff=backoff, chance=random.Random(1))


def pending(stage: Stage) -> bool:
    with stage.catalog.reading() as session:
        return repairs.anything_pending(session)


def test_a_job_is_first_looked_at_a_while_after_its_release(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    assert due(stage, 30) == []
    assert due(stage, 31) == [Ill(instance, stage.job(instance), False, 0)]


def test_looks_are_put_off_further_and_further(stage: Stage) -> None:
    stage.run(stage.gen)
    looked, seconds = [], 0
    while seconds < 4 * 3600:
        seconds += 30
        looked += [seconds for _ in due(stage, 30)]
    gaps = [after - before for before, after in pairwise(looked)]
    assert gaps[0] <= 120
    assert all(late >= early * 0.7 for early, late in pairwise(gaps))
    assert max(gaps) <= 1800 * 1.25 + 30
    assert gaps[-1] >= 1800


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_wait_is_between_one_minute_and_thirty_and_a_quarter(tries: int, jitter: float) -> None:
    assert timedelta(seconds=60) <= Backoff().wait(tries, jitter) <= timedelta(seconds=1800 * 1.25)


def test_a_sweep_takes_a_bounded_batch_and_the_next_one_takes_the_others(stage: Stage) -> None:
    stage.set_slots(10)
    instances = [stage.run(stage.gen) for _ in range(5)]
    first = due(stage, 100)
    second = due(stage, 1)
    assert [one.instance for one in first + second] == instances


def test_what_has_no_job_or_has_ended_is_not_looked_at(stage: Stage) -> None:
    out, ended, queued = [stage.run(stage.gen) for _ in range(3)]
    stage.end(ended)
    stage.set_slots(0)
    stage.run(stage.ds, previous=out)
    stage.run(stage.gen)
    assert {one.instance for one in due(stage, 1000)} == {out, queued}


def test_a_wish_to_cancel_is_told(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    with stage.catalog.transaction() as session:
        ask_cancel(session, instance, now=stage.tick())
    assert [one.cancel for one in due(stage, 100)] == [True]


def test_repairs_of_ended_jobs_are_forgotten(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    due(stage, 100)
    stage.end(instance)
    with stage.catalog.transaction() as session:
        repairs.forget_ended(session)
        assert session.query(repairs.Repair).count() == 0


def test_the_sweep_rests_only_when_nothing_is_left(stage: Stage) -> None:
    assert not pending(stage)
    instance = stage.run(stage.gen)
    assert pending(stage)
    stage.end(instance)
    assert pending(stage)  # the outbox row was not sent
    with stage.catalog.transaction() as session:
        outbox.forget(session, [letter.id for letter in outbox.next_letters(session)])
    assert not pending(stage)
    with stage.catalog.transaction() as session:
        deletions.queue(session, ["k"], now=stage.now)
    assert pending(stage)
    with stage.catalog.transaction() as session:
        deletions.forget(session, ["k"])
    assert not pending(stage)
