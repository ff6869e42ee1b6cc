"""A user cancels."""

from __future__ import annotations

import pytest

from gateway.catalog import outbox, states
from gateway.catalog.cancellation import ask_cancel
from gateway.catalog.faults import Absent
from tests.gateway.catalog.stage import Stage


def cancel(stage: Stage, instance: int) -> str:
    with stage.catalog.transaction() as session:
        return ask_cancel(session, instance, now=stage.tick())


def letters(stage: Stage) -> list[tuple[str, str]]:
    with stage.catalog.reading() as session:
        return [(letter.kind, letter.job) for letter in outbox.next_letters(session)]


def test_what_waits_is_cancelled_at_once_with_all_who_wait_for_it(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    child = stage.run(stage.ds, previous=parent)
    grandchild = stage.run(stage.ds, previous=child)
    assert cancel(stage, child) == "cancelled"
    assert stage.status(parent, child, grandchild) == [states.COPYING, states.CANCELLED, states.CANCELLED]
    assert letters(stage) == [("request", stage.job(parent))]
    stage.end(parent)
    assert stage.status(child) == [states.CANCELLED]


def test_what_has_no_slot_yet_is_cancelled_at_once(stage: Stage) -> None:
    instances = [stage.run(stage.gen) for _ in range(3)]
    assert cancel(stage, instances[2]) == "cancelled"
    stage.end(instances[0])
    assert stage.status(instances[2]) == [states.CANCELLED]
    assert instances[2] not in stage.requests()


def test_of_what_is_out_the_functions_decide(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    child = stage.run(stage.ds, previous=instance)
    assert cancel(stage, instance) == "asked"
    row = stage.instance(instance)
    assert (row.status, row.cancel) == (states.COPYING, True)
    assert letters(stage)[-1] == ("cancel", stage.job(instance))
    assert stage.status(child) == [states.WAITING]
    stage.end(instance, "cancelled")
    assert stage.status(instance, child) == [states.CANCELLED, states.CANCELLED]


def test_a_cancel_that_lost_the_race_changes_nothing(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    cancel(stage, instance)
    stage.end(instance, "finished")
    assert stage.status(instance) == [states.FINISHED]
    assert cancel(stage, instance) == "over"
    assert stage.status(instance) == [states.FINISHED]


def test_an_unknown_instance_is_absent(stage: Stage) -> None:
    with pytest.raises(Absent):
        cancel(stage, 12345)
