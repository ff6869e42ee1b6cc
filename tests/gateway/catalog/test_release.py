"""Release: slots, turns, inputs, and what a job is told."""

from __future__ import annotations

from sqlalchemy import delete

from gateway.catalog import outbox, states
from gateway.catalog.plugins import ComputeResource
from gateway.catalog.release import release
from gateway.catalog.tree import Folder
from tests.gateway.catalog.stage import Stage


def test_a_new_instance_goes_out_at_once_if_there_is_a_slot(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    assert stage.status(instance) == [states.COPYING]
    request, inputs = stage.requests()[instance]
    assert inputs == []
    assert request.job == stage.job(instance)
    assert request.command == ("python3", "/usr/local/bin/gen", "/share/outgoing")
    assert (request.runtime.kind, request.runtime.place) == ("environment", "/plugins/pl-gen")
    assert (request.tenant, request.plugin, request.version) == ("main", "pl-gen", "1.0")
    assert (request.limits.cpu, request.limits.memory, request.limits.workers) == (1000, 200, 1)
    assert request.environment["CHRIS_JID"] == f"chris-jid-{instance}"


def test_no_more_jobs_are_out_than_there_are_slots(stage: Stage) -> None:
    instances = [stage.run(stage.gen) for _ in range(4)]
    assert stage.status(*instances) == [states.COPYING, states.COPYING, states.CREATED, states.CREATED]


def test_a_job_that_ends_lets_the_next_out_in_the_same_transaction(stage: Stage) -> None:
    instances = [stage.run(stage.gen) for _ in range(3)]
    stage.end(instances[0], "failed", outputs=[], exit_code=1)
    assert stage.status(*instances) == [states.FAILED, states.COPYING, states.COPYING]
    assert instances[2] in stage.requests()


def test_another_user_waits_for_one_slot_only(stage: Stage) -> None:
    of_ann = [stage.run(stage.gen) for _ in range(6)]
    of_bob = stage.run(stage.gen, user=stage.bob)
    assert stage.status(of_bob) == [states.CREATED]
    stage.end(of_ann[0])
    assert stage.status(of_bob, of_ann[2]) == [states.COPYING, states.CREATED]


def test_more_slots_let_out_what_waits(stage: Stage) -> None:
    instances = [stage.run(stage.gen) for _ in range(5)]
    stage.set_slots(4)
    with stage.catalog.transaction() as session:
        released = release(session, now=stage.tick())
    assert released == [stage.job(one) for one in instances[2:4]]
    assert stage.status(instances[4]) == [states.CREATED]


def test_fewer_slots_than_jobs_that_are_out_let_nothing_out(stage: Stage) -> None:
    instances = [stage.run(stage.gen) for _ in range(3)]
    stage.set_slots(1)
    stage.end(instances[0])
    assert stage.status(instances[2]) == [states.CREATED]


def test_a_ds_job_reads_what_lies_in_its_parents_data_folder(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    stage.end(parent, outputs=[stage.output(parent, "a.txt", 3), stage.output(parent, "deep/er/b.txt", 4)])
    child = stage.run(stage.ds, previous=parent, parameters={"dry": True, "count": 5})
    request, inputs = stage.requests()[child]
    assert {(one.path, one.size) for one in inputs} == {("a.txt", 3), ("deep/er/b.txt", 4)}
    assert {one.key for one in inputs} == {stage.output(parent, path).key for path in ("a.txt", "deep/er/b.txt")}
    assert all(one.etag and one.digest for one in inputs)
    assert request.command[2:] == ("--count", "5", "--dry", "/share/incoming", "/share/outgoing")
    assert request.environment["CHRIS_PREV_PLG_INST_ID"] == str(parent)


def test_what_a_grandchild_made_is_no_input_of_a_child(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    stage.end(parent)
    first = stage.run(stage.ds, previous=parent)
    stage.end(first, outputs=[stage.output(first, "other.txt")])
    second = stage.run(stage.ds, previous=parent)
    assert [one.path for one in stage.requests()[second][1]] == ["out.txt"]


def test_paths_are_merged_into_one_root_and_the_later_wins(stage: Stage) -> None:
    stage.upload("home/ann/uploads/one/same.txt", key="k1")
    stage.upload("home/ann/uploads/one/sub/x.txt", key="k2")
    stage.upload("home/ann/uploads/two/same.txt", key="k3")
    instance = stage.run(stage.pathed, parameters={"dir": "home/ann/uploads/one/,home/ann/uploads/two"})
    request, inputs = stage.requests()[instance]
    assert {one.path: one.key for one in inputs} == {"same.txt": "k3", "sub/x.txt": "k2"}
    assert request.command[2:] == ("--dir", "/share/incoming", "/share/outgoing")


def test_a_single_file_may_be_named(stage: Stage) -> None:
    stage.upload("home/ann/uploads/one/a.txt", key="k1")
    instance = stage.run(stage.pathed, parameters={"dir": "home/ann/uploads/one/a.txt"})
    assert [(one.path, one.key) for one in stage.requests()[instance][1]] == [("a.txt", "k1")]


def test_a_folder_never_stages_its_neighbour(stage: Stage) -> None:
    for name in ("sub1", "sub10", "sub1 b", "sub1-", "sub1.x", "sub1é"):
        stage.upload(f"home/ann/uploads/{name}/a.txt", key=name)
    instance = stage.run(stage.pathed, parameters={"dir": "home/ann/uploads/sub1"})
    assert [one.key for one in stage.requests()[instance][1]] == ["sub1"]


def test_a_path_that_is_gone_when_the_slot_comes_fails_with_its_name(stage: Stage) -> None:
    stage.upload("home/ann/uploads/x/a.txt")
    busy = [stage.run(stage.gen), stage.run(stage.gen)]
    instance = stage.run(stage.pathed, parameters={"dir": "home/ann/uploads/x"})
    child = stage.run(stage.ds, previous=instance)
    with stage.catalog.transaction() as session:
        session.execute(delete(Folder).where(Folder.path == "home/ann/uploads/x"))
    stage.end(busy[0])
    failed = stage.instance(instance)
    assert failed.status == states.FAILED
    assert "home/ann/uploads/x" in failed.sentence
    assert failed.error_code == "CODE17"
    assert stage.status(child) == [states.CANCELLED]


def test_what_waits_for_a_removed_compute_resource_fails_with_a_reason(stage: Stage) -> None:
    instances = [stage.run(stage.gen) for _ in range(3)]
    with stage.catalog.transaction() as session:
        session.execute(delete(ComputeResource))
        release(session, now=stage.tick())
    assert stage.status(*instances) == [states.COPYING, states.COPYING, states.FAILED]
    assert "compute resource" in stage.instance(instances[2]).sentence


def test_releasing_marks_the_timeline(stage: Stage) -> None:
    instance = stage.instance(stage.run(stage.gen))
    assert instance.queued_ms == instance.released_ms == int(stage.now.timestamp() * 1000)
    assert instance.finished_ms is None


def test_an_outbox_row_is_forgotten_by_its_id(stage: Stage) -> None:
    first, second = stage.run(stage.gen), stage.run(stage.gen)
    with stage.catalog.transaction() as session:
        letters = outbox.next_letters(session)
        outbox.forget(session, [letters[0].id])
    assert [letter.job for letter in letters] == [stage.job(first), stage.job(second)]
    with stage.catalog.reading() as session:
        assert outbox.size(session) == 1
        assert outbox.next_letters(session, after=letters[0].id) == letters[1:]
