"""The gateway's own handler: it hears how far a job is, and copies what became of it.

A result is copied from its record, never from the event's word; a late status moves no final row (design 3.3).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from functions.errors import Permanent
from functions.events import Event
from functions.host import Handle
from functions.objects import Missing, ObjectStore
from functions.payloads import (
    BY_PAYLOAD,
    JobCancelled,
    JobDispatched,
    JobEvent,
    JobFailed,
    JobFinished,
    JobStarted,
    JobUploading,
    OutputsCommitted,
    Payload,
)
from functions.records import RESULT, Output, Records, Value, log_key

LOG_TAIL = 1800
"""Characters of what the plugin printed that CUBE shows in an instance's summary."""


class Instances(Protocol):
    """What the receiver asks of the catalog."""

    def note(self, job: str, status: str, at: datetime) -> None:
        """A job has come so far; a row that is further, or final, stays."""

    def is_out(self, job: str) -> bool | None:
        """Is the job unfinished? None: the catalog does not know it."""

    def settle(self, job: str, result: Value, outputs: Iterator[Output], log_tail: str) -> None:
        """Register the outputs, then make them visible, move the state and wake the children, all in one."""


@dataclass(frozen=True)
class Gateway:
    """The handler; `settled` is told of each job that has been copied, for what is to be tidied up."""

    store: ObjectStore
    records: Records
    instances: Instances
    settled: Callable[[str], None] = lambda job: None

    @property
    def handlers(self) -> dict[type[Payload], Handle]:
        noted: tuple[type[Payload], ...] = (JobDispatched, JobStarted, JobUploading, OutputsCommitted)
        settled: tuple[type[Payload], ...] = (JobFinished, JobFailed, JobCancelled)
        handlers: dict[type[Payload], Handle] = dict.fromkeys(noted, self.note)
        return handlers | dict.fromkeys(settled, self.settle)

    def note(self, event: Event) -> None:
        assert isinstance(event.payload, JobEvent)
        self.instances.note(event.payload.job, BY_PAYLOAD[type(event.payload)].status, event.time)

    def settle(self, event: Event) -> None:
        assert isinstance(event.payload, JobEvent)
        job = event.payload.job
        if not self.instances.is_out(job):
            return  # a repeat
        result = self.records.read(job, RESULT)
        self.instances.settle(job, result, self.read_outputs(result), self.read_log(job, result))
        self.settled(job)

    def read_outputs(self, result: Value) -> Iterator[Output]:
        """The lines of all manifests, a path once (two pods may have written the same)."""
        seen: set[str] = set()
        for manifest in result.get("manifests") or ():
            for line in self.read_lines(manifest["key"]):
                output = Output(**json.loads(line))
                if output.path not in seen:
                    seen.add(output.path)
                    yield output

    def read_lines(self, key: str) -> Iterator[bytes]:
        """The lines of an object, without holding all of it. Raises Permanent if it is gone."""
        rest = b""
        try:
            body = self.store.get(key)
        except Missing as error:
            raise Permanent(f"The manifest {key!r} that a result names is gone.") from error
        for chunk in body.chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line for line in lines if line)
        if rest:
            yield rest

    def read_log(self, job: str, result: Value) -> str:
        """The end of what the first pod of the last attempt printed."""
        try:
            info = self.store.head(key := log_key(job, result.get("attempt") or result.get("logged") or 1, 0))
            printed = self.store.get(key, start=max(0, info.size - 4 * LOG_TAIL)).read()
        except Missing:
            return ""
        return printed.decode(errors="replace")[-LOG_TAIL:]
