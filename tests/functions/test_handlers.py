"""stage, run and publish on a real store: records mean intent, `result` decides, and every repeat is safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.jobs import End, Sight
from functions.objects_directory import DirectoryStore
from functions.records import log_key, outputs_name, place
from tests.functions.world import OK, Crash, Fate, World

JOB = "7-abc"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(DirectoryStore(tmp_path))


def play(world: World, end: End = OK) -> None:
    """A whole job, from its request to its result."""
    world.request(JOB, world.upload("a.dcm", "b.dcm"))
    world.run()
    world.start(JOB, 1)
    world.end(JOB, 1, end)
    world.commit(JOB, 1)
    world.run()


def test_a_job_goes_from_request_to_result(world: World) -> None:
    play(world)
    assert world.result(JOB)["verdict"] == "finished"
    assert world.told() == [
        "job.requested",
        "job.staged",
        "job.dispatched",
        "job.started",
        "outputs.committed",
        "job.terminated",
        "job.finished",
    ]


def test_the_feed_and_the_tenant_travel_with_every_event(world: World) -> None:
    world.request(JOB, world.upload("a.dcm"))
    world.run()
    assert {(event.feed, event.tenant) for event in world.events()} == {("3", "ward")}


def test_a_plugin_that_failed_publishes_what_it_wrote(world: World) -> None:
    play(world, End("fail", 3, "error", "The plugin ended with exit code 3."))
    result = world.result(JOB)
    assert (result["verdict"], result["exit_code"], len(result["manifests"])) == ("failed", 3, 1)
    assert result["sentence"] == "The plugin ended with exit code 3."


def test_missing_inputs_fail_the_job_at_once_and_are_named(world: World) -> None:
    inputs = world.upload("a.dcm", "b.dcm")
    world.request(JOB, world.drop(inputs, "b.dcm"))
    world.run()
    result = world.result(JOB)
    assert result["verdict"] == "failed"
    assert "'b.dcm' is no longer in the store" in result["sentence"]
    assert world.pods.made == []


def test_an_input_that_was_overwritten_is_named(world: World) -> None:
    inputs = world.upload(*[f"{n}.dcm" for n in range(20)])
    world.store.put(inputs[7].key, b"something else")
    world.request(JOB, inputs)
    world.run()
    assert "'7.dcm' was overwritten" in world.result(JOB)["sentence"]


def test_what_the_plugin_printed_is_archived(world: World) -> None:
    play(world)
    assert world.store.get(log_key(JOB, 1, 0)).read() == b"printed\n"


def test_a_commit_without_an_exit_is_asked_again_at_once(world: World) -> None:
    world.request(JOB)
    world.run()
    world.start(JOB, 1)
    world.commit(JOB, 1)
    assert [answer.status for answer in world.deliver(world.sent[-1])] == [503]
    world.end(JOB, 1)
    assert [answer.status for answer in world.deliver(world.sent[-1])] == [204]


def test_a_lost_pod_leads_to_a_second_attempt_and_a_late_commit_finds_the_door_shut(world: World) -> None:
    world.request(JOB)
    world.run()
    world.start(JOB, 1)
    world.pods.there[JOB, 1] = [Sight(alive=False)]
    world.deliver(world.sent[1])
    world.run()
    assert (JOB, 2) in world.pods.made
    assert (JOB, 1) in world.pods.deleted
    assert not world.commit(JOB, 1)
    assert world.records.read(JOB, outputs_name(1, 0))["closed"]


def test_a_commit_that_comes_while_its_attempt_is_judged_is_not_run_again(world: World) -> None:
    """The records are read, the pod is lost, and then its manifest comes: closing the door finds it, and it counts."""
    world.request(JOB)
    world.run()
    world.start(JOB, 1)
    look = world.pods.look

    def look_and_lose(job: str, attempt: int) -> tuple[Sight, ...] | None:
        world.pods.look = look  # type: ignore[method-assign]
        assert world.commit(JOB, 1)
        world.pods.there[JOB, 1] = [Sight(alive=False)]
        return look(job, attempt)

    world.pods.look = look_and_lose  # type: ignore[method-assign]
    world.deliver(world.sent[1])
    world.run()
    assert world.result(JOB)["reason"] == "exit-unknown"
    assert world.pods.made == [(JOB, 1)]


def test_three_lost_pods_fail_the_job_with_the_reason(world: World) -> None:
    world.request(JOB)
    world.run()
    for attempt in (1, 2, 3):
        world.start(JOB, attempt)
        world.pods.there[JOB, attempt] = [Sight(alive=False, end=End("killed", reason="disrupted", sentence="Gone."))]
        staged = [e for e in zip(world.events(), world.sent, strict=True) if e[0].type.endswith("job.staged.v1")]
        world.deliver(staged[-1][1])
        world.run()
    result = world.result(JOB)
    assert (result["verdict"], result["reason"]) == ("failed", "disrupted")
    assert "after 3 attempts" in result["sentence"]


def test_a_job_that_is_missing_before_any_start_is_created_again(world: World) -> None:
    world.request(JOB)
    world.run()
    world.pods.there.clear()
    world.deliver(world.sent[1])
    assert world.pods.made == [(JOB, 1), (JOB, 1)]


def test_committed_outputs_whose_exit_is_lost_are_never_run_again(world: World) -> None:
    world.request(JOB)
    world.run()
    world.start(JOB, 1)
    world.pods.there.clear()
    world.commit(JOB, 1)
    world.run()
    assert world.result(JOB)["reason"] == "exit-unknown"
    assert world.pods.made == [(JOB, 1)]


def test_a_cancel_that_loses_the_race_changes_nothing(world: World) -> None:
    from functions.payloads import CancelRequested

    play(world)
    world.emitter("gateway").emit(CancelRequested(JOB))
    world.run()
    assert world.result(JOB)["verdict"] == "finished"
    assert world.told()[-1] == "job.finished"


def test_a_cancel_that_wins_removes_the_job_and_shuts_the_door(world: World) -> None:
    from functions.payloads import CancelRequested

    world.request(JOB)
    world.run()
    world.start(JOB, 1)
    world.emitter("gateway").emit(CancelRequested(JOB))
    world.run()
    assert world.result(JOB)["verdict"] == "cancelled"
    assert world.pods.there == {}
    assert world.store.get(log_key(JOB, 1, 0)).read() == b"printed\n"
    world.commit(JOB, 1)
    world.run()
    assert world.result(JOB)["verdict"] == "cancelled"
    assert world.pods.made == [(JOB, 1)]


def test_outputs_that_vanished_after_the_commit_are_told(world: World) -> None:
    world.request(JOB)
    world.run()
    world.start(JOB, 1)
    world.end(JOB, 1)
    world.commit(JOB, 1)
    world.store.delete(f"jobs/{JOB}/1/out/out.txt")
    world.run()
    result = world.result(JOB)
    assert (result["verdict"], result["reason"], result["manifests"]) == ("failed", "outputs", [])
    assert "'out.txt'" in result["sentence"]


def test_two_pods_that_write_one_path_differently_are_a_fault_that_names_it(world: World) -> None:
    world.request(JOB, workers=2)
    world.run()
    for index, body in enumerate((b"one", b"two")):
        world.start(JOB, 1, index)
        world.end(JOB, 1, index=index)
        world.commit(JOB, 1, index, {"same.txt": body, f"{index}.txt": body})
    world.run()
    result = world.result(JOB)
    assert result["verdict"] == "failed"
    assert "same.txt" in result["sentence"]


def test_two_pods_that_write_one_path_alike_are_no_fault(world: World) -> None:
    world.request(JOB, workers=2)
    world.run()
    for index in (0, 1):
        world.start(JOB, 1, index)
        world.end(JOB, 1, index=index)
        world.commit(JOB, 1, index, {"same.txt": b"one", f"{index}.txt": b"own"})
    world.run()
    assert world.result(JOB)["verdict"] == "finished"
    assert len(world.result(JOB)["manifests"]) == 2


def test_every_event_of_a_finished_job_replayed_starts_nothing_and_changes_nothing(world: World) -> None:
    play(world)
    before, made = world.store.list(place(JOB)).objects, list(world.pods.made)
    world.pods.there.clear()
    for message in list(world.sent):
        assert all(answer.status == 204 for answer in world.deliver(message))
    assert world.store.list(place(JOB)).objects == before
    assert world.pods.made == made


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("step", ["job.requested", "job.staged", "outputs.committed", "job.terminated"])
def test_killed_at_any_call_the_same_event_again_brings_the_job_on(world: World, step: str, after: bool) -> None:
    """Every call of every handler dies once; then the event comes again, as from a broker that had no answer."""
    deaths = 0
    for call in range(1, 40):
        job = f"{JOB}-{call}"
        world.fate.at, world.sent, world.waiting = 0, [], type(world.waiting)()
        deaths += die_once(world, job, step, call, after)
        assert world.result(job)["verdict"] == "finished"
        assert world.pods.made.count((job, 1)) == 1
    assert deaths > 3


def die_once(world: World, job: str, step: str, call: int, after: bool) -> bool:
    """Play a job whose handler of `step` dies at its call number `call`; whether it came so far."""
    world.request(job, world.upload("a.dcm"))
    died = run_mortal(world, step, call, after)
    world.start(job, 1)
    world.end(job, 1)
    world.commit(job, 1)
    return run_mortal(world, step, call, after) or died


def run_mortal(world: World, step: str, call: int, after: bool) -> bool:
    died = False
    while world.waiting:
        message = world.waiting.popleft()
        dying = message.headers["ce-type"] == f"io.chrysalis.{step}.v1" and not died
        world.fate.__init__(call if dying else 0, after)  # type: ignore[misc]
        try:
            world.deliver(message)
        except Crash:
            died = True
            world.fate.at = 0
            world.deliver(message)
    world.fate.at = 0
    return died


def test_a_cancel_killed_at_any_call_and_sent_again_is_carried_out(world: World) -> None:
    from functions.payloads import CancelRequested

    for call in range(1, 20):
        job = f"{JOB}-{call}"
        world.request(job)
        world.run()
        world.emitter("gateway").emit(CancelRequested(job))
        run_mortal(world, "cancel.requested", call, after=False)
        assert world.result(job)["verdict"] == "cancelled"
        assert world.pods.look(job, 1) is None


def test_a_message_for_nobody_here_is_a_dead_letter(world: World) -> None:
    world.request(JOB)
    message = world.sent[0]
    assert world.receivers["publish"].receive(message.headers, message.body).status == 422


def test_a_forged_message_is_refused_and_a_broken_one_is_told_why(world: World) -> None:
    world.request(JOB)
    message = world.sent[0]
    forged = message.headers | {"ce-signature": "a=" + "0" * 64}
    assert world.receivers["stage"].receive(forged, message.body).status == 401
    assert world.receivers["stage"].receive(message.headers, b"{").status == 400
    assert world.receivers["stage"].receive({}, b"").status == 400


def test_a_fault_of_ours_is_tried_again(world: World) -> None:
    world.request(JOB)
    world.store.list = None  # type: ignore[method-assign, assignment]
    message = world.sent[0]
    assert world.receivers["stage"].receive(message.headers, message.body).status == 503


def test_the_fates_of_this_test_really_kill() -> None:
    from tests.functions.world import Mortal

    with pytest.raises(Crash):
        Mortal(len, Fate(1))("x")
