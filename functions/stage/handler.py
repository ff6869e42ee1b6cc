"""stage acts on `job.requested`: it freezes the inputs of the first attempt, or fails the job and says why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from functions.events import Emitter, Event
from functions.host import Handle
from functions.objects import Missing, ObjectInfo, ObjectStore
from functions.payloads import JobRequested, JobStaged, Payload
from functions.records import (
    REQUEST,
    RESULT,
    Input,
    Records,
    Value,
    inputs_name,
    parse_header,
    parse_inputs,
    render_lines,
)
from functions.results import Result, announce, decide, now
from functions.stage.core import Frozen, complain, freeze, plan_look

THREADS = 16


@dataclass(frozen=True)
class Stage:
    """The handler; `store` is where the inputs are, and the records."""

    store: ObjectStore
    records: Records
    emitter: Emitter

    @property
    def handlers(self) -> dict[type[Payload], Handle]:
        return {JobRequested: self.requested}

    def requested(self, event: Event) -> None:
        assert isinstance(event.payload, JobRequested)
        job = event.payload.job
        listing = self.records.list(job)
        if listing.result:
            announce(self.emitter, event, job, self.records.read(job, RESULT))
        elif listing.has(inputs_name(1)):
            self.emitter.follow(event, JobStaged(job, 1))
        else:
            self.freeze(event, job)

    def freeze(self, event: Event, job: str) -> None:
        body = self.records.body(job, REQUEST)
        header, inputs = parse_header(body), tuple(parse_inputs(body))
        frozen = freeze(inputs, self.look(inputs))
        if frozen.faults:
            result = Result("failed", reason="inputs", sentence=complain(frozen.faults))
            announce(self.emitter, event, job, decide(self.records, job, result))
            return
        self.records.create_lines(job, inputs_name(1), render_inputs(header, frozen))
        self.emitter.follow(event, JobStaged(job, 1))

    def look(self, inputs: tuple[Input, ...]) -> dict[str, ObjectInfo]:
        """The objects of all inputs that are there, by key."""
        look = plan_look(inputs)
        found: dict[str, ObjectInfo] = {}
        for folder, (first, last) in look.spans.items():
            found |= self.list_span(folder, first, last)
        if len(look.heads) < 2:
            found |= {key: info for key in look.heads if (info := self.head(key))}
            return found
        with ThreadPoolExecutor(min(THREADS, len(look.heads))) as pool:
            found |= {info.key: info for info in pool.map(self.head, look.heads) if info}
        return found

    def head(self, key: str) -> ObjectInfo | None:
        try:
            return self.store.head(key)
        except Missing:
            return None

    def list_span(self, folder: str, first: str, last: str) -> dict[str, ObjectInfo]:
        """The objects of one folder from the first to the last key that are wanted."""
        head = self.head(first)
        found = {first: head} if head else {}
        after: str | None = first
        while after is not None and after.encode() < last.encode():
            page = self.store.list(folder, after=after, folders=True)
            found |= {info.key: info for info in page.objects}
            after = page.after
        return found


def render_inputs(request: Value, frozen: Frozen) -> bytes:
    """The `inputs` record of the first attempt."""
    header: Value = {name: request[name] for name in ("job", "tenant", "feed", "trace") if name in request}
    header |= {"attempt": 1, "count": len(frozen.inputs), "bytes": frozen.bytes, "at": now()}
    return render_lines(header, frozen.inputs)
