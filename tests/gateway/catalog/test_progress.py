"""Status events tell how far a job is, and never more than that."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.catalog import states
from gateway.catalog.progress import STAGED, note_status
from tests.gateway.catalog.stage import START, Stage


def note(stage: Stage, instance: int, status: str, second: int, mark: str | None = None) -> bool:
    with stage.catalog.transaction(durable=False) as session:
        return note_status(session, stage.job(instance), status, START + timedelta(seconds=second), mark=mark)


def test_a_status_moves_the_row_and_marks_the_time(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    assert note(stage, instance, states.STARTED, 60)
    row = stage.instance(instance)
    assert (row.status, row.started_ms) == (states.STARTED, int(START.timestamp() * 1000) + 60_000)


def test_staged_is_a_mark_and_no_status(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    note(stage, instance, states.COPYING, 1, STAGED)
    row = stage.instance(instance)
    assert row.status == states.COPYING
    assert row.staged_ms == int(START.timestamp() * 1000) + 1000


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(told=st.lists(st.tuples(st.sampled_from(states.OUT[1:]), st.integers(0, 100)), max_size=8))
def test_in_any_order_the_row_is_at_the_furthest_and_the_first_times_stay(
    stage: Stage, told: list[tuple[str, int]]
) -> None:
    stage.set_slots(1000)
    instance = stage.run(stage.gen)
    for status, second in told:
        note(stage, instance, status, second)
    row = stage.instance(instance)
    assert row.status == max([states.COPYING, *(status for status, _ in told)], key=states.ORDER.index)
    for status in states.OUT[1:]:
        first = next((second for said, second in told if said == status), None)
        stamp = getattr(row, states.MARKS[status])
        assert stamp == (None if first is None else int(START.timestamp() * 1000) + 1000 * first)


def test_a_late_status_never_changes_a_final_row(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    stage.end(instance)
    for status in states.OUT:
        assert not note(stage, instance, status, 500)
    row = stage.instance(instance)
    assert (row.status, row.uploading_ms) == (states.FINISHED, None)


def test_a_status_lets_nothing_out_that_was_not_released(stage: Stage) -> None:
    stage.set_slots(0)
    instance = stage.run(stage.gen)
    assert not note(stage, instance, states.STARTED, 1)
    assert stage.status(instance) == [states.CREATED]


def test_a_status_of_an_unknown_job_is_passed_over(stage: Stage) -> None:
    with stage.catalog.transaction() as session:
        assert not note_status(session, "77-deadbeef", states.STARTED, START)
