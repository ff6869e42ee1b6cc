"""A job has its result: files, state, children, the next job; once, whatever is repeated or interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from functions.records import Output
from gateway.catalog import folders, settlement, states
from gateway.catalog.settlement import Lines, settle
from gateway.catalog.tree import File, Folder
from gateway.policy import Reader
from tests.gateway.catalog.stage import Stage

RESULT = {"verdict": "finished", "attempt": 2, "sentence": "", "reason": "completed", "exit_code": 0}


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "BATCH", 3)


def shown(stage: Stage, instance: int) -> list[str]:
    """The paths, relative to the output folder, of what the owner is shown."""
    with stage.catalog.reading() as session:
        return [path for path, _ in folders.walk(session, stage.data(instance), Reader(stage.ann.id))]


def test_outputs_become_rows_with_their_folders(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    outputs = [stage.output(instance, path) for path in ("a.txt", "x/b.txt", "x/y/z/ü ü.txt")]
    assert stage.end(instance, outputs=outputs)
    assert shown(stage, instance) == ["a.txt", "x/b.txt", "x/y/z/ü ü.txt"]
    with stage.catalog.reading() as session:
        file = folders.find_file(session, stage.data(instance) + "/x/b.txt", Reader(stage.ann.id))
    assert file is not None
    assert (file.key, file.size, file.etag, file.digest) == tuple(vars(outputs[1]).values())[1:]


def test_the_row_copies_what_the_result_says(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    usage = {"cpu_seconds": 1.5, "peak_bytes": 10, "wall_seconds": 2.0}
    fields: dict[str, Any] = {
        "exit_code": 137,
        "reason": "out-of-memory",
        "sentence": "It was too big.",
        "usage": usage,
    }
    stage.end(instance, "failed", **fields)
    row = stage.instance(instance)
    assert row.status == states.FAILED
    assert {name: getattr(row, name) for name in fields} == fields
    assert (row.size, row.registered, row.attempt) == (7, 1, 1)
    assert row.finished_ms == int(stage.now.timestamp() * 1000)
    assert row.end_date == stage.now


def test_a_failed_job_shows_its_outputs_and_a_cancelled_one_none(stage: Stage) -> None:
    failed, cancelled = stage.run(stage.gen), stage.run(stage.gen)
    stage.end(failed, "failed")
    stage.end(cancelled, "cancelled")
    assert shown(stage, failed) == ["out.txt"]
    assert shown(stage, cancelled) == []
    assert stage.status(failed, cancelled) == [states.FAILED, states.CANCELLED]


def test_a_success_without_an_output_is_flagged_and_nothing_else_is(stage: Stage) -> None:
    empty, full, failed = (stage.run(stage.gen) for _ in range(3))
    stage.end(empty, outputs=[])
    stage.end(full)
    stage.end(failed, "failed", outputs=[], sentence="It was too big.")
    assert stage.status(empty) == [states.FINISHED]
    assert [stage.instance(one).sentence for one in (empty, full, failed)] == [
        "The plugin finished with exit 0 and no output. Its log may tell why.", "", "It was too big.",
    ]  # fmt: skip


def test_a_deadline_has_cubes_code(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    stage.end(instance, "failed", reason="deadline")
    assert stage.instance(instance).error_code == "CODE13"


def test_a_second_settling_changes_nothing(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    assert stage.end(instance)
    before = vars(stage.instance(instance)) | {"_sa_instance_state": None}
    assert not stage.end(instance)
    assert not stage.end(instance, "failed", outputs=[stage.output(instance, "other.txt")])
    assert vars(stage.instance(instance)) | {"_sa_instance_state": None} == before
    assert shown(stage, instance) == ["out.txt"]


def test_a_job_that_the_catalog_does_not_know_changes_nothing(stage: Stage) -> None:
    assert not settle(stage.catalog, "9-00000000", RESULT, [], now=stage.now)


def test_children_wake_when_their_parent_finished(stage: Stage) -> None:
    stage.set_slots(3)
    parent = stage.run(stage.gen)
    children = [stage.run(stage.ds, previous=parent) for _ in range(2)]
    grandchild = stage.run(stage.ds, previous=children[0])
    stage.end(parent)
    assert stage.status(*children, grandchild) == [states.COPYING, states.COPYING, states.WAITING]
    assert [one.path for one in stage.requests()[children[0]][1]] == ["out.txt"]


@pytest.mark.parametrize("verdict", ["failed", "cancelled"])
def test_all_who_wait_are_cancelled_with_a_reason_when_it_did_not(stage: Stage, verdict: str) -> None:
    parent = stage.run(stage.gen)
    chain = [parent]
    for _ in range(5):
        chain.append(stage.run(stage.ds, previous=chain[-1]))
    other = stage.run(stage.gen)
    stage.end(parent, verdict)
    assert set(stage.status(*chain[1:])) == {states.CANCELLED}
    assert stage.status(other) == [states.COPYING]
    assert str(parent) in stage.instance(chain[5]).sentence


def test_nothing_is_shown_while_batches_are_registered(stage: Stage, small_batches: None) -> None:
    instance = stage.run(stage.gen)
    seen = []

    def watched() -> Iterator[Output]:
        for number in range(8):
            seen.append(shown(stage, instance))
            yield stage.output(instance, f"d{number % 2}/{number}.txt")

    stage.end(instance, outputs=watched())
    assert seen == [[]] * 8
    assert len(shown(stage, instance)) == 8
    row = stage.instance(instance)
    assert (row.registered, row.size) == (8, 56)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
@pytest.mark.parametrize("broken_at", [0, 1, 3, 5, 6])
def test_an_interrupted_registration_goes_on_where_it_was(
    stage: Stage, small_batches: None, count: int, broken_at: int
) -> None:
    instance = stage.run(stage.gen)
    outputs = [stage.output(instance, f"{number % 3}/{number}.txt") for number in range(count)]

    def torn() -> Iterator[Output]:
        yield from outputs[:broken_at]
        raise ConnectionError

    if broken_at <= count:
        with pytest.raises(ConnectionError):
            stage.end(instance, outputs=torn())
    assert shown(stage, instance) == []
    assert stage.end(instance, outputs=outputs)
    assert sorted(shown(stage, instance)) == sorted(one.path for one in outputs)
    row = stage.instance(instance)
    assert (row.registered, row.size) == (count, 7 * count)


def test_ten_thousand_outputs_are_all_there(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    job = stage.job(instance)
    stage.end(instance, outputs=[stage.output_of(job, f"s{number // 500}/{number}.dcm") for number in range(10_000)])
    with stage.catalog.reading() as session:
        assert session.scalar(select(func.count()).select_from(File)) == 10_000
        hidden = select(func.count()).select_from(Folder).where(~Folder.visible | ~Folder.complete)
        assert session.scalar(hidden) == 0


def test_a_job_whose_output_folder_was_deleted_still_ends(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    with stage.catalog.transaction() as session:
        session.delete(session.get_one(Folder, stage.instance(instance).output_folder_id))
    assert stage.end(instance)
    assert stage.status(instance) == [states.FINISHED]


def test_a_log_is_kept_by_its_end(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    settle(stage.catalog, stage.job(instance), RESULT, [], now=stage.now, log_tail="a" * 2000 + "z")
    assert stage.instance(instance).log_tail == "a" * 1799 + "z"


def test_lines_are_taken_from_any_position_on(small_batches: None) -> None:
    outputs = [Output(str(number), "k", 1, "e", "d") for number in range(10)]
    for start in range(11):
        batch, last = Lines(outputs).take(start)
        assert [int(one.path) for one in batch] == list(range(start, min(start + 3, 10)))
        assert last == (start + 3 >= 10)
    lines = Lines(outputs)
    taken = [lines.take(start)[0][0].path for start in (0, 1, 5, 9)]
    assert taken == ["0", "1", "5", "9"]
