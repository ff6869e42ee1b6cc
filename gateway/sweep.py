"""The sweep makes true what events make quick (design 3.9): with every event lost, it alone finishes all work.

Repair is one rule: list an unfinished job's records and send the event that makes somebody act on the newest one, from
the bucket and not from what the catalog has heard, with the same id, straight to the handler and not through a broker.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cloudevents.core.bindings.http import HTTPMessage

from functions.errors import Failure, Permanent
from functions.events import Emitter
from functions.host import Receiver
from functions.jobs import RETRY
from functions.payloads import CancelRequested, JobRequested, JobStaged, Payload, subscribed
from functions.records import REQUEST, RESULT, Listing, Records, Value, terminated_name
from functions.results import Result, concluded, decide, terminated

log = logging.getLogger(__name__)

BATCH = 50
"""So many jobs are repaired in one round."""


@dataclass(frozen=True)
class Unfinished:
    """A job that is due for repair; `cancel`: its user wants it to end."""

    job: str
    cancel: bool


class Ledger(Protocol):
    """What the sweep asks of the catalog."""

    def due(self, limit: int) -> Sequence[Unfinished]:
        """Unfinished jobs whose backoff is over; each one's next turn is put off."""

    def is_out(self, job: str) -> bool | None:
        """Is the job unfinished? None: the catalog does not know it."""

    def is_idle(self) -> bool:
        """Is there no unfinished job, unsent letter, or unfinished deletion?"""

    def release(self) -> None:
        """Let jobs out for which there is a place; a lost race or a crash may have left one unused."""

    def remove_objects(self) -> None:
        """Delete from the store what no row names any more."""


class Clock(Protocol):
    """What the sweep asks of whatever wakes it."""

    def idle_version(self) -> int | None:
        """The version of the last arming; None if a transaction that it was for may still be open."""

    def disarm(self, version: int | None) -> object:
        """Be woken no more, unless somebody has armed since `version`."""


class Jobs(Protocol):
    """What the sweep asks of `run`: which Jobs there are, and to remove one."""

    def jobs(self) -> Iterable[tuple[str, int]]: ...

    def delete(self, job: str, attempt: int | None = None) -> None: ...


def choose_event(records: Records, listing: Listing, job: str, cancel: bool) -> Payload:
    """The event that makes somebody act on the newest record of a job."""
    if listing.result:
        return concluded(job, records.read(job, RESULT))
    if cancel:
        return CancelRequested(job)
    attempt = listing.attempt
    if not attempt:
        return JobRequested(job)
    if listing.has(terminated_name(attempt)):
        verdict = records.read(job, terminated_name(attempt))
        if verdict["verdict"] != RETRY:
            return terminated(job, attempt, verdict)
    return JobStaged(job, attempt)


class Sweep:
    """One round at a time; `drain` empties the outbox first, since what is in it is not yet in the bucket."""

    def __init__(
        self,
        ledger: Ledger,
        records: Records,
        jobs: Jobs,
        emitter: Emitter,
        receivers: Mapping[str, Receiver],
        *,
        drain: Callable[[], bool],
        batch: int = BATCH,
    ) -> None:
        self.ledger, self.records, self.jobs, self.receivers = ledger, records, jobs, receivers
        self.drain, self.batch = drain, batch
        self._emitter = Emitter(emitter.unit, emitter.tenant, emitter.keys, self._deliver, emitter.clock)

    def round(self, clock: Clock) -> None:
        """Send what waits, repair what is due, remove Jobs that are decided, and rest if nothing is left."""
        version = clock.idle_version()
        sent = self.drain()
        self.ledger.release()
        for unfinished in self.ledger.due(self.batch):
            self._repair_safely(unfinished)
        left = self.reap()
        self._tidy()
        if sent and not left and self.ledger.is_idle():
            clock.disarm(version)

    def repair(self, unfinished: Unfinished) -> None:
        job = unfinished.job
        listing = self.records.list(job)
        if not listing.has(REQUEST) and not listing.result:
            return  # its outbox row has not been sent: the relay's business
        header = self._read_header(job)
        payload = choose_event(self.records, listing, job, unfinished.cancel)
        self._emitter.emit(payload, feed=str(header.get("feed", "")), trace=str(header.get("trace", "")))

    def reap(self) -> int:
        """Remove the Jobs of decided jobs and attempts; how many Jobs are still there."""
        return sum(not self._reap_safely(job, attempt) for job, attempt in list(self.jobs.jobs()))

    def is_decided(self, job: str, attempt: int) -> bool:
        """Has the catalog settled the job, or was the attempt given up?

        A Job whose result is not copied yet is kept: the gateway may still want its log.
        """
        out = self.ledger.is_out(job)
        if out is False:
            return True
        listing = self.records.list(job)
        if out is None:
            return listing.result or not listing.has(REQUEST)
        if not listing.has(terminated_name(attempt)):
            return False
        return bool(self.records.read(job, terminated_name(attempt))["verdict"] == RETRY)

    def _read_header(self, job: str) -> Value:
        """Feed and trace of a job, for its events; a request that is gone or damaged is somebody else's finding."""
        try:
            return self.records.read(job, REQUEST)
        except Permanent:
            return {}

    def _deliver(self, message: HTTPMessage) -> None:
        """Straight to the handlers. Raises Permanent if one of them says that trying again cannot help."""
        for name, receiver in self.receivers.items():
            if message.headers["ce-type"] in {row.full for row in subscribed(name)}:
                answer = receiver.receive(message.headers, message.body)
                if answer.status == 422:
                    raise Permanent(json.loads(answer.body)["sentence"])

    def _repair_safely(self, unfinished: Unfinished) -> None:
        """A job that nobody can bring on fails with the reason, instead of waiting for ever."""
        try:
            self.repair(unfinished)
        except Permanent as error:
            complain(unfinished.job, error)
            self._fail(unfinished.job, str(error))
        except Failure as error:
            complain(unfinished.job, error)

    def _tidy(self) -> None:
        try:
            self.ledger.remove_objects()
        except Failure as error:
            log.warning("objects could not be removed: %s", error, extra={"action": "sweep.failed"})

    def _fail(self, job: str, sentence: str) -> None:
        try:
            decide(self.records, job, Result("failed", reason="fault", sentence=sentence))
        except Failure as error:
            complain(job, error)

    def _reap_safely(self, job: str, attempt: int) -> bool:
        """Remove a Job if it is decided; whether it is gone."""
        try:
            if not self.is_decided(job, attempt):
                return False
            self.jobs.delete(job, attempt)
        except Failure as error:
            complain(job, error)
            return False
        return True


def complain(job: str, error: Failure) -> None:
    log.warning("the sweep could not repair %s: %s", job, error, extra={"action": "sweep.failed", "job": job})
