"""With every event lost the sweep alone finishes all work; it repairs by the bucket and not by hearsay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from functions.host import Receiver
from functions.jobs import End, Sight
from functions.objects_directory import DirectoryStore
from functions.payloads import Payload
from functions.records import RESULT, outputs_name, terminated_name
from functions.run.core import is_closed
from gateway.sweep import Sweep, Unfinished, choose_event
from tests.functions.world import KEYS, World

JOB = "7-abc"


class Books:
    """A catalog of a few jobs: what the sweep asks of it."""

    def __init__(self) -> None:
        self.out: dict[str, bool] = {}
        self.cancel: set[str] = set()

    def due(self, limit: int) -> Sequence[Unfinished]:
        return [Unfinished(job, job in self.cancel) for job, out in self.out.items() if out][:limit]

    def is_out(self, job: str) -> bool | None:
        return self.out.get(job)

    def is_idle(self) -> bool:
        return not any(self.out.values())

    def release(self) -> None:
        """Nothing waits for a place here."""

    def remove_objects(self) -> None:
        """Nothing is deleted here."""


class Hands:
    """A clock that notes when it is laid down."""

    def __init__(self) -> None:
        self.armed = True

    def idle_version(self) -> int | None:
        return 1

    def disarm(self, version: int | None) -> None:
        self.armed = False


class Ward:
    """A world whose events are all lost, a sweep, and a gateway that only copies results."""

    def __init__(self, path: Path) -> None:
        self.world, self.books, self.clock = World(DirectoryStore(path)), Books(), Hands()
        receivers = dict(self.world.receivers)
        receivers["gateway"] = self.gateway()
        emitter = self.world.emitter("gateway")
        self.sweep = Sweep(self.books, self.world.records, self.world.pods, emitter, receivers, drain=lambda: True)

    def gateway(self) -> Receiver:
        from functions.payloads import JobCancelled, JobFailed, JobFinished

        def settle(event: object) -> None:
            job = event.payload.job  # type: ignore[attr-defined]
            assert self.world.records.read(job, RESULT)
            self.books.out[job] = False

        kinds: tuple[type[Payload], ...] = (JobFinished, JobFailed, JobCancelled)
        return Receiver("gateway", KEYS, dict.fromkeys(kinds, settle))

    def release(self, job: str = JOB) -> None:
        self.world.request(job)
        self.books.out[job] = True
        self.world.waiting.clear()

    def round(self, times: int = 1) -> None:
        for _ in range(times):
            self.sweep.round(self.clock)
            self.world.waiting.clear()


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def test_with_every_event_lost_the_sweep_alone_finishes_a_job_and_rests(ward: Ward) -> None:
    ward.release()
    ward.round(2)
    assert ward.world.pods.made == [(JOB, 1)]
    ward.world.start(JOB, 1)
    ward.round(3)
    ward.world.end(JOB, 1)
    ward.world.commit(JOB, 1)
    ward.round(4)
    assert ward.world.result(JOB)["verdict"] == "finished"
    assert ward.books.out == {JOB: False}
    assert ward.world.pods.there == {}
    assert not ward.clock.armed


def test_the_sweep_stays_armed_while_a_pod_is_left(ward: Ward) -> None:
    ward.release()
    ward.round(5)
    assert ward.clock.armed


def test_a_lost_pod_gets_a_second_attempt_by_the_sweep_alone(ward: Ward) -> None:
    ward.release()
    ward.round(2)
    ward.world.start(JOB, 1)
    ward.world.pods.there[JOB, 1] = [Sight(alive=False)]
    ward.round(3)
    assert ward.world.pods.made == [(JOB, 1), (JOB, 2)]
    assert is_closed(ward.world.records.read(JOB, outputs_name(1, 0)))


def test_a_wish_to_cancel_is_carried_out_by_the_sweep_alone(ward: Ward) -> None:
    ward.release()
    ward.round(2)
    ward.books.cancel.add(JOB)
    ward.round(3)
    assert ward.world.result(JOB)["verdict"] == "cancelled"
    assert ward.world.pods.there == {}
    assert not ward.clock.armed


def test_a_job_whose_request_was_not_sent_is_left_to_the_relay(ward: Ward) -> None:
    ward.books.out[JOB] = True
    ward.round(2)
    assert ward.world.pods.made == []
    assert ward.clock.armed


def test_a_job_that_the_catalog_has_forgotten_is_removed_once_it_is_decided(ward: Ward) -> None:
    ward.release()
    ward.round(2)
    del ward.books.out[JOB]
    ward.round()
    assert ward.world.pods.there
    ward.world.records.create(JOB, RESULT, {"verdict": "cancelled"})
    ward.round()
    assert ward.world.pods.there == {}


def test_one_broken_job_does_not_hold_up_the_others(ward: Ward) -> None:
    ward.release("1-broken")
    ward.release("2-well")
    ward.world.store.put(".chrysalis/jobs/1-broken/request", b"not json\n")
    ward.round(2)
    assert ("2-well", 1) in ward.world.pods.made


def test_a_job_that_nobody_can_bring_on_fails_with_the_reason(ward: Ward) -> None:
    ward.release()
    ward.world.store.put(".chrysalis/jobs/7-abc/request", b"not json\n")
    ward.round(3)
    assert "damaged" in ward.world.result(JOB)["sentence"]
    assert ward.books.out == {JOB: False}


def test_the_event_is_chosen_by_the_newest_record(ward: Ward) -> None:
    world = ward.world
    world.request(JOB)

    def chosen() -> str:
        return type(choose_event(world.records, world.records.list(JOB), JOB, cancel=False)).__name__

    assert chosen() == "JobRequested"
    world.run()
    assert chosen() == "JobStaged"
    world.start(JOB, 1)
    world.end(JOB, 1, End("fail", 2))
    world.commit(JOB, 1)
    assert chosen() == "JobStaged"
    world.deliver(world.sent[-1])
    assert world.records.read(JOB, terminated_name(1))["verdict"] == "failed"
    assert chosen() == "JobTerminated"
    world.run()
    assert chosen() == "JobFailed"
