"""Random walks of the real handlers through the faults of the executable model of the job protocol.

Handlers run in threads that pause before every call to the outside; a walk chooses who goes on, who dies there, which
event arrives again, what a pod does, what breaks. Pods talk to the real endpoints of stage and publish. After each step
the invariants are checked; at the end all events are lost, and the sweep alone must bring the end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from functions import pods
from functions.events import parse
from functions.host import Receiver
from functions.jobs import FAILED, FINISHED, RETRY, End
from functions.objects import ObjectStore
from functions.payloads import (
    CancelRequested,
    JobCancelled,
    JobFailed,
    JobFinished,
    JobStarted,
    OutputsCommitted,
    Payload,
    subscribed,
)
from functions.publish.pods import Delivery
from functions.records import RESULT, manifest_key, outputs_name, place, started_name, terminated_name
from functions.stage.pods import Admission, Reception, Shelf
from gateway.sweep import Sweep, Unfinished
from tests.functions.world import KEYS, World
from tests.integration.actors import Actor, Pausing, answer
from tests.integration.pods import GONE, LIVE, LOST, OVER, PENDING, QUEUED, RUNNING, STUCK, UPLOADING, Cluster, Pod

JOB = "7-abc"


class Violation(AssertionError):
    """Something that must never be."""


def require(condition: object, sentence: str) -> None:
    if not condition:
        raise Violation(sentence)


class Walk:
    """One job and its way through all that may happen."""

    def __init__(self, store: ObjectStore, seed: int, *, workers: int, faults: int) -> None:
        self.random, self.faults, self.workers = random.Random(seed), faults, workers
        self.wilful, self.haste = self.random.random() < 0.3, self.random.choice((1, 2, 6))
        self.world = World(store)
        self.records = self.world.records
        self.cluster = Cluster(self.is_decided)
        self.world.pods, self.world.fate = self.cluster, Quiet()  # type: ignore[assignment]
        self.receivers = self.build_receivers()
        self.row, self.cancel, self.armed = "active", False, True
        self.actors: list[Actor] = []
        self.ran: list[tuple[int, int, str]] = []
        self.ended: dict[int, set[int]] = {}
        self.committed: dict[int, dict[int, str]] = {}
        self.hurt: set[int] = set()
        self.trace: list[str] = []
        self.world.request(JOB, self.world.upload("a.dcm"), workers)

    def build_receivers(self) -> dict[str, Receiver]:
        from tests.functions import world as module

        original, module.Mortal = module.Mortal, lambda part, fate: Pausing(part)  # type: ignore[assignment, misc]
        try:
            receivers = self.world.build()
        finally:
            module.Mortal = original  # type: ignore[misc]
        kinds: tuple[type[Payload], ...] = (JobFinished, JobFailed, JobCancelled)
        return receivers | {"gateway": Receiver("gateway", KEYS, dict.fromkeys(kinds, self.settle))}

    def settle(self, event: Any) -> None:
        verdict = self.records.read(JOB, RESULT)["verdict"]
        require(self.row in ("active", verdict), "a final row changes")
        self.row = verdict

    def is_decided(self, job: str, attempt: int) -> bool:
        listing = self.records.list(job)
        outputs = [self.records.find(job, outputs_name(attempt, index)) for index in range(self.workers)]
        closed = any(value and value.get("closed") for value in outputs)
        return closed or listing.result or listing.has(terminated_name(attempt))

    # actions

    def actions(self) -> list[tuple[str, Callable[[], object]]]:
        found: list[tuple[str, Callable[[], object]]] = []
        for actor in self.actors:
            found += [(f"{actor.name} goes on", actor.step)] * self.haste + [(f"{actor.name} dies", actor.kill)]
        if len(self.actors) < 3:
            found += [(f"event {n} arrives", lambda n=n: self.arrive(n)) for n in self.recent()]
        if self.row == "active" and not self.cancel and self.wilful:
            found.append(("the user cancels", self.ask_cancel))
        for pod in self.cluster.pods:
            found += [(f"pod {pod.attempt}.{pod.index} {pod.uid} {name}", act) for name, act in self.pod_actions(pod)]
        for job, attempt in self.cluster.jobs():
            if self.faults and not any(pod.active for pod in self.cluster.of(job, attempt)):
                found.append((f"Job {attempt} expires", lambda a=attempt: self.expire(a)))
        return found

    def recent(self) -> list[int]:
        """Newer events more often; any may come again."""
        sent = len(self.world.sent)
        return [self.random.randrange(sent), *range(max(0, sent - 2), sent)]

    def arrive(self, number: int) -> None:
        message = self.world.sent[number]
        kind = parse(message.headers, message.body, KEYS).type
        for name, receiver in self.receivers.items():
            if kind in {row.full for row in subscribed(name)}:
                act = lambda r=receiver: r.receive(message.headers, message.body)  # noqa: E731
                self.actors.append(Actor(f"{name} of {kind}", act))

    def ask_cancel(self) -> None:
        self.cancel = True
        self.world.emitter("gateway").emit(CancelRequested(JOB))

    def expire(self, attempt: int) -> None:
        self.fault(attempt)
        self.cluster.delete(JOB, attempt)

    def fault(self, attempt: int) -> None:
        self.faults -= 1
        self.hurt.add(attempt)

    def pod_actions(self, pod: Pod) -> list[tuple[str, Callable[[], object]]]:
        acts: list[tuple[str, Callable[[], object]]] = []
        if pod.phase == QUEUED:
            acts.append(("is made", lambda: self.change(pod, phase=PENDING)))
        if pod.phase == STUCK:
            acts.append(("can start after all", lambda: self.change(pod, phase=PENDING)))
        if pod.phase == PENDING and not pod.asking:
            acts.append(("asks to start", lambda: self.ask(pod, self.admit)))
        if pod.phase == UPLOADING and not pod.asking:
            acts.append(("commits", lambda: self.ask(pod, self.commit)))
        if pod.phase == RUNNING:
            acts.append(("ends well", lambda: self.change(pod, phase=UPLOADING, end=End("ok", 0))))
            if self.random.random() < 0.2:
                acts.append(("fails", lambda: self.change(pod, phase=UPLOADING, end=End("fail", 3, "error", "3"))))
        if pod.phase == UPLOADING and pod.view == LIVE and not pod.reported:
            acts += [("is reported", lambda: self.change(pod, reported=True))] * 2
        if pod.view == LOST:
            acts.append(("is back", lambda: self.change(pod, view=LIVE)))
            acts.append(("is deleted", lambda: self.change(pod, view=GONE, reported=False)))
        if pod.view != LIVE:
            acts.append(("dies on its node", lambda: self.cluster.stop(pod)))
        return acts + (self.pod_faults(pod) if self.faults and self.random.random() < 0.5 else [])

    def pod_faults(self, pod: Pod) -> list[tuple[str, Callable[[], object]]]:
        acts: list[tuple[str, Callable[[], object]]] = []
        live = pod.view == LIVE
        if pod.phase == PENDING and live:
            acts.append(("fails to stage in", lambda: self.cluster.stop(pod)))
            acts.append(("cannot start", lambda: self.change(pod, phase=STUCK)))
        if pod.phase == RUNNING:
            killed = End("killed", 137, "disrupted", "Evicted.")
            acts.append(("is disrupted", lambda: self.change(pod, phase=UPLOADING, end=killed, reported=live)))
        if pod.phase == UPLOADING:
            acts.append(("gives up uploading", lambda: self.cluster.stop(pod)))
        if pod.phase in (PENDING, RUNNING, UPLOADING) and live:
            acts.append(("loses its node", lambda: self.change(pod, view=LOST)))
            acts.append(("is preempted", lambda: self.preempt(pod)))
        if pod.phase == OVER:
            acts.append(("has its object deleted", lambda: self.change(pod, view=GONE)))
        return [(name, lambda act=act: (self.fault(pod.attempt), act())) for name, act in acts]

    def change(self, pod: Pod, **change: Any) -> None:
        for name, value in change.items():
            setattr(pod, name, value)
        if "end" in change and change["end"].kind in ("ok", "fail"):
            self.ended.setdefault(pod.attempt, set()).add(pod.index)

    def preempt(self, pod: Pod) -> None:
        pod.view, pod.reported = GONE, False
        if (pod.job, pod.attempt) in self.cluster.there:
            self.cluster.add(pod.job, pod.attempt, pod.index)

    # what pods ask of the endpoints

    def ask(self, pod: Pod, act: Callable[[Pod], None]) -> None:
        pod.asking = True

        def answered() -> None:
            try:
                act(pod)
            finally:
                pod.asking = False

        self.actors.append(Actor(f"{act.__name__} of {pod.uid}", answered))

    def caller(self, pod: Pod) -> pods.Caller:
        listing = type(self.records)(Pausing(self.world.store)).list(JOB)
        pods.check_current(listing, pod.attempt)
        return pods.Caller(JOB, pod.attempt, listing)

    def admit(self, pod: Pod) -> None:
        records = type(self.records)(Pausing(self.world.store))
        emit = Pausing(self.emit)
        reception = Reception(self.world.store, records, emit, pods.utc_now, Shelf(records.body))  # type: ignore[arg-type]
        try:
            started = reception.admit(self.caller(pod), Admission(pod.index, pod.uid, 1, 1))["start"]
        except pods.Late:
            started = False
        answer()
        if pod not in self.cluster.pods:
            return
        if pod.phase == PENDING and started:
            self.check_start(pod)
            pod.phase = RUNNING
        elif pod.phase == PENDING:
            self.cluster.stop(pod)

    def commit(self, pod: Pod) -> None:
        records = type(self.records)(Pausing(self.world.store))
        delivery = Delivery(self.world.store, records, Pausing(self.emit), pods.utc_now)  # type: ignore[arg-type]
        pod.manifest = pod.manifest or self.upload(pod)  # stage-out uploads once, and goes on where it was
        body = {"index": pod.index, "uid": pod.uid, "manifest": pod.manifest}
        tell: Callable[[], None] = lambda: None  # noqa: E731
        try:
            tell = delivery.commit(self.caller(pod), body)
            assert pod.end is not None
            self.committed.setdefault(pod.attempt, {})[pod.index] = pod.end.kind
        except pods.Late:
            pass  # the pod is told to stop
        answer()
        if pod.phase == UPLOADING:
            self.cluster.stop(pod)
        tell()

    def upload(self, pod: Pod) -> dict[str, Any]:
        manifest = self.world.write(JOB, pod.attempt, pod.index, {f"{pod.index}.txt": b"result"})
        key = manifest_key(JOB, pod.attempt, pod.index, pod.uid)
        self.world.store.put(key, self.world.store.get(manifest["key"]).read())
        return manifest | {"key": key}

    def emit(self, kind: str, *, job: str, attempt: int, index: int = 0, **details: Any) -> None:
        payload = JobStarted if kind == "job.started" else OutputsCommitted
        self.world.emitter("stage").emit(payload(job, attempt, index, **details))

    # what must never be

    def check_start(self, pod: Pod) -> None:
        require(not pod.late, "a plugin starts in a pod that came after the decision")
        require(all(name[:2] != (pod.attempt, pod.index) for name in self.ran), "a plugin starts twice in one attempt")
        for earlier in range(1, pod.attempt):
            verdict = self.records.find(JOB, terminated_name(earlier))
            require(verdict and verdict["verdict"] == RETRY, "a plugin is run again although it was decided")
            kinds = self.committed.get(earlier, {})
            own = len(kinds) == self.workers and "killed" not in kinds.values()
            require(not own, "a plugin is run again although its own end was committed")
        if pod.view == LIVE:
            others = [p for p in self.cluster.pods if p.view == LIVE and p.attempt != pod.attempt]
            require(all(p.phase not in (RUNNING, UPLOADING) for p in others), "two attempts run at once")
        self.ran.append((pod.attempt, pod.index, pod.uid))

    def check(self) -> None:
        listing = self.records.list(JOB)
        for attempt in range(1, listing.attempt + 1):
            if listing.has(terminated_name(attempt)):
                verdict = self.records.read(JOB, terminated_name(attempt))["verdict"]
                require(verdict != RETRY or attempt in self.hurt or self.cancel, "an attempt is given up unhurt")
        if self.row != "active":
            require(listing.result, "a row is final without a result")
        if listing.result:
            self.check_result(self.records.read(JOB, RESULT))

    def check_result(self, result: dict[str, Any]) -> None:
        attempt, verdict = result["attempt"], result["verdict"]
        if not attempt:
            require(not result["manifests"], "outputs are visible of no attempt")
            return
        if verdict == FINISHED:
            require(len(result["manifests"]) == self.workers, "finished, but not all outputs are in")
            require(self.ended.get(attempt, set()) == set(range(self.workers)), "finished without an end")
        require(
            not self.records.list(JOB).has(f"{attempt + 1}/inputs"), "the result names an attempt that was given up"
        )
        if verdict == FAILED and attempt not in self.hurt:
            kinds = self.committed.get(attempt, {})
            good = len(kinds) == self.workers and set(kinds.values()) == {"ok"}
            require(not good, "failed, although the plugin ended well and nothing was hurt")

    # walking

    def walk(self, steps: int) -> None:
        for _ in range(steps):
            name, act = self.random.choice(self.actions())
            self.trace.append(name)
            act()
            self.actors = [actor for actor in self.actors if not actor.done]
            self.check()

    def finish(self) -> None:
        """No more faults, nothing in flight, every event lost: the sweep alone must bring the end, and rest."""
        for actor in list(self.actors):
            actor.kill()
        self.actors = []
        self.faults = 0
        sweep = Sweep(
            self, self.records, self.cluster, self.world.emitter("gateway"), self.receivers, drain=lambda: True
        )
        for _ in range(40):
            self.trace.append("a round of the sweep")
            sweep.round(self)
            self.play_pods()
            self.check()
            if not self.armed:
                break
        require(self.row != "active", "the sweep alone does not finish the work")
        require(not self.armed, "the sweep is never disarmed")
        require(not any(pod.active for pod in self.cluster.pods), "a pod is left when all work is done")
        self.replay()

    def play_pods(self) -> None:
        for pod in list(self.cluster.pods):
            for _ in range(6):
                if pod in self.cluster.pods:
                    self.play_pod(pod)

    def play_pod(self, pod: Pod) -> None:
        if pod.view != LIVE:
            self.cluster.stop(pod)
        elif pod.phase == QUEUED:
            pod.phase = PENDING
        elif pod.phase == PENDING:
            self.admit(pod)
        elif pod.phase == RUNNING:
            self.change(pod, phase=UPLOADING, end=End("ok", 0), reported=True)
        elif pod.phase == UPLOADING:
            pod.reported = True
            self.commit(pod)

    def replay(self) -> None:
        """Long afterwards, dead letters that are replayed start no pod and change no record."""
        self.cluster.there.clear()
        self.cluster.pods.clear()
        before = [replace(info, modified=None) for info in self.world.store.list(place(JOB)).objects]
        for number in range(len(self.world.sent)):
            self.arrive(number)
            for actor in self.actors:
                while not actor.done:
                    actor.step()
            self.actors = []
        require(not self.cluster.there, "a replayed event starts a pod")
        after = [replace(info, modified=None) for info in self.world.store.list(place(JOB)).objects]
        require(before == after, "a replayed event changes a record")

    # what the sweep asks of the catalog and of its clock

    def due(self, limit: int) -> list[Unfinished]:
        return [Unfinished(JOB, self.cancel)] if self.row == "active" else []

    def is_out(self, job: str) -> bool | None:
        return self.row == "active"

    def is_idle(self) -> bool:
        return self.row != "active" and not any(pod.active for pod in self.cluster.pods)

    def release(self) -> None:
        """Nothing waits for a place here."""

    def remove_objects(self) -> None:
        """Nothing is deleted here."""

    def idle_version(self) -> int | None:
        return 1

    def disarm(self, version: int | None) -> None:
        self.armed = False


class Quiet:
    """No fate: deaths come from the walk."""

    at, after, calls = 0, False, 0


def claims(walk: Walk) -> int:
    """How many claims to start were made."""
    return sum(walk.records.list(JOB).has(started_name(attempt, 0)) for attempt in (1, 2, 3))
