"""A small world for the three functions: real handlers and records, pods that a test moves, a network that it bends.

`Mortal` parts die at a chosen call, as a process does: before the call takes effect, or after it and before its answer.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cloudevents.core.bindings.http import HTTPMessage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from functions.events import Emitter, Event, parse
from functions.host import Answer, Receiver
from functions.jobs import End, JobPlan, Limits, Request, Runtime, Sight
from functions.objects import ObjectStore
from functions.payloads import JobRequested, JobStarted, OutputsCommitted, subscribed
from functions.publish.handler import Publish
from functions.records import (
    REQUEST,
    Input,
    Output,
    Records,
    manifest_key,
    output_prefix,
    outputs_name,
    render_lines,
    started_name,
)
from functions.run.handler import Run
from functions.signatures import SigningKeys
from functions.stage.handler import Stage
from functions.tokens import Minter

KEYS = SigningKeys("a", {"a": b"a" * 32})
MINTER = Minter("k1", Ed25519PrivateKey.generate())
OK = End("ok", 0, "completed")


class Crash(BaseException):
    """The process that ran a handler is gone."""


@dataclass
class Fate:
    """When the next crash comes: at call number `at`, before its effect or after it. 0: never."""

    at: int = 0
    after: bool = False
    calls: int = 0


class Mortal:
    """A part of the outside whose callers may die at any of its calls."""

    def __init__(self, part: Any, fate: Fate) -> None:
        self.part, self.fate = part, fate

    def __getattr__(self, name: str) -> Any:
        return self.wrap(getattr(self.part, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.wrap(self.part)(*args, **kwargs)

    def wrap(self, call: Any) -> Any:
        def mortal(*args: Any, **kwargs: Any) -> Any:
            self.fate.calls += 1
            dying = self.fate.calls == self.fate.at
            if dying and not self.fate.after:
                raise Crash
            answer = call(*args, **kwargs)
            if dying:
                raise Crash
            return answer

        return mortal


@dataclass
class Pods:
    """A launcher whose pods do what a test says; `made` remembers every Job that ever was."""

    there: dict[tuple[str, int], list[Sight]] = field(default_factory=dict)
    made: list[tuple[str, int]] = field(default_factory=list)
    deleted: list[tuple[str, int | None]] = field(default_factory=list)

    def create(self, plan: JobPlan) -> None:
        place = (plan.job, plan.attempt)
        if place not in self.there:
            self.made.append(place)
            self.there[place] = [Sight(alive=True)] * plan.request.limits.workers

    def look(self, job: str, attempt: int) -> tuple[Sight, ...] | None:
        sights = self.there.get((job, attempt))
        return tuple(sights) if sights is not None else None

    def delete(self, job: str, attempt: int | None = None) -> None:
        self.deleted.append((job, attempt))
        for place in list(self.there):
            if place[0] == job and attempt in (None, place[1]):
                del self.there[place]

    def log(self, job: str, attempt: int, index: int) -> bytes:
        return b"printed\n" if index < len(self.there.get((job, attempt), ())) else b""

    def jobs(self) -> Iterable[tuple[str, int]]:
        return list(self.there)


class World:
    """Stage, run and publish on one store, with a network that keeps every event ever sent."""

    def __init__(self, store: ObjectStore) -> None:
        self.store, self.pods, self.fate = store, Pods(), Fate()
        self.sent: list[HTTPMessage] = []
        self.waiting: deque[HTTPMessage] = deque()
        self.records = Records(store)
        self.receivers = self.build()

    def build(self) -> dict[str, Receiver]:
        store = Mortal(self.store, self.fate)
        launcher, sink = Mortal(self.pods, self.fate), Mortal(self.accept, self.fate)
        records = Records(store)
        stage = Stage(store, records, Emitter("stage", "ward", KEYS, sink))
        run = Run(store, records, launcher, MINTER, Emitter("run", "ward", KEYS, sink))
        publish = Publish(store, records, Emitter("publish", "ward", KEYS, sink))
        functions = {"stage": stage.handlers, "run": run.handlers, "publish": publish.handlers}
        return {name: Receiver(name, KEYS, handlers) for name, handlers in functions.items()}

    def accept(self, message: HTTPMessage) -> None:
        self.sent.append(message)
        self.waiting.append(message)

    def emitter(self, unit: str) -> Emitter:
        return Emitter(unit, "ward", KEYS, self.accept)

    # --- what others do

    def upload(self, *names: str) -> tuple[Input, ...]:
        """Objects as a user has uploaded them."""
        infos = [self.store.put(f"uploads/1/{name}", name.encode()) for name in names]
        return tuple(Input(n, i.key, i.size, i.etag) for n, i in zip(names, infos, strict=True))

    def request(self, job: str, inputs: tuple[Input, ...] = (), workers: int = 1) -> None:
        """What the gateway's relay does: the record, then the event."""
        request = Request(job, "ward", 7, 3, "pl-x", "1", ("x",), Runtime("image", "x"), Limits(workers=workers))
        self.records.create_lines(job, REQUEST, render_lines(request.as_dict(), inputs))
        self.emitter("gateway").emit(JobRequested(job), feed="3")

    def start(self, job: str, attempt: int, index: int = 0) -> None:
        """What stage does when stage-in reports: the claim, then the event."""
        self.records.create(job, started_name(attempt, index), {"uid": "u"})
        self.emitter("stage").emit(JobStarted(job, attempt, index))

    def write(self, job: str, attempt: int, index: int, files: dict[str, bytes]) -> dict[str, Any]:
        """What stage-out uploads; answers the manifest that it commits."""
        rows = []
        for path, body in files.items():
            info = self.store.put(output_prefix(job, attempt, index) + path, body)
            rows.append(Output(path, info.key, info.size, info.etag, hashlib.sha256(body).hexdigest()))
        body = "".join(json.dumps(asdict(row)) + "\n" for row in rows).encode()
        key = self.store.put(manifest_key(job, attempt, index, "u"), body).key
        total = sum(row.size for row in rows)
        return {"key": key, "digest": hashlib.sha256(body).hexdigest(), "count": len(rows), "bytes": total}

    def commit(self, job: str, attempt: int, index: int = 0, files: dict[str, bytes] | None = None) -> bool:
        """What publish does when stage-out commits; whether the door was open."""
        manifest = self.write(job, attempt, index, files or {"out.txt": b"result"})
        mine = {"uid": "u", "manifest": manifest}
        held = self.records.create(job, outputs_name(attempt, index), mine)
        if held == mine:
            count, digest = manifest["count"], manifest["digest"]
            self.emitter("publish").emit(OutputsCommitted(job, attempt, index, manifest["key"], count, digest))
        return held == mine

    def end(self, job: str, attempt: int, end: End = OK, index: int = 0, alive: bool = True) -> None:
        """The plugin of a pod ends."""
        self.pods.there[job, attempt][index] = Sight(alive, end)

    # --- the network

    def deliver(self, message: HTTPMessage) -> list[Answer]:
        event = parse(message.headers, message.body, KEYS)
        names = [name for name in self.receivers if event.type in {row.full for row in subscribed(name)}]
        return [self.receivers[name].receive(message.headers, message.body) for name in names]

    def run(self, limit: int = 200) -> None:
        """Deliver all that waits, and what that leads to."""
        while self.waiting and limit:
            limit -= 1
            message = self.waiting.popleft()
            if any(answer.status == 503 for answer in self.deliver(message)):
                self.waiting.append(message)

    def events(self) -> list[Event]:
        return [parse(message.headers, message.body, KEYS) for message in self.sent]

    def told(self) -> list[str]:
        """The types of events sent, in order, without repeats in a row."""
        names = [event.type.removeprefix("io.chrysalis.").removesuffix(".v1") for event in self.events()]
        return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]

    def result(self, job: str) -> dict[str, Any]:
        return self.records.read(job, "result")

    def drop(self, inputs: tuple[Input, ...], name: str) -> tuple[Input, ...]:
        """The same inputs after somebody has removed one from the store."""
        gone = next(item for item in inputs if item.path == name)
        self.store.delete(gone.key)
        return tuple(replace(item) for item in inputs)
