"""run brings one attempt as far as it can go now: on `job.staged`, `outputs.committed`, and `cancel.requested`.

It reads the records before it looks at the Job, never after; the other way round, a pod that starts in between looks
lost. `core.py` decides; here is done what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.errors import Temporary
from functions.events import Emitter, Event
from functions.host import Handle
from functions.jobs import CLOSED, FINISHED, MAX_ATTEMPTS, RETRY, JobPlan, Request, Sight
from functions.objects import ObjectStore
from functions.payloads import CancelRequested, JobDispatched, JobStaged, OutputsCommitted, Payload
from functions.records import (
    REQUEST,
    RESULT,
    Listing,
    Records,
    Value,
    dispatched_name,
    inputs_name,
    log_key,
    outputs_name,
    parse_header,
    parse_inputs,
    render_lines,
    terminated_name,
)
from functions.results import Result, announce, decide, describe_end, now, terminated
from functions.run.core import Judgement, choose, is_closed, judge, know, wanted_outputs
from functions.run.launcher import Launcher
from functions.tokens import Claims, Minter


@dataclass(frozen=True)
class Run:
    """The handler. Only run holds the private key of job tokens, and only run asks for Jobs."""

    store: ObjectStore
    records: Records
    launcher: Launcher
    minter: Minter
    emitter: Emitter
    attempts: int = MAX_ATTEMPTS

    @property
    def handlers(self) -> dict[type[Payload], Handle]:
        return {JobStaged: self.staged, OutputsCommitted: self.committed, CancelRequested: self.cancelled}

    def staged(self, event: Event) -> None:
        assert isinstance(event.payload, JobStaged)
        self.attend(event, event.payload.job, event.payload.attempt)

    def committed(self, event: Event) -> None:
        assert isinstance(event.payload, OutputsCommitted)
        self.attend(event, event.payload.job, event.payload.attempt)

    def cancelled(self, event: Event) -> None:
        """Take `result` if nobody has, then delete the Jobs: the other way round, a lost race would kill a finish."""
        assert isinstance(event.payload, CancelRequested)
        job, sentence = event.payload.job, "The job was cancelled by its user."
        attempt = self.records.list(job).attempt
        result = Result("cancelled", reason="cancelled", sentence=sentence, logged=attempt)
        value = decide(self.records, job, result)
        self.archive_logs(job, attempt, len(self.launcher.look(job, attempt) or ()))
        self.launcher.delete(job)
        announce(self.emitter, event, job, value)

    def attend(self, event: Event, job: str, attempt: int) -> None:
        listing = self.records.list(job)
        if listing.result:
            value = self.records.read(job, RESULT)
            self.launcher.delete(job)
            announce(self.emitter, event, job, value)
        elif listing.has(terminated_name(attempt)):
            self.follow_verdict(event, job, attempt, self.records.read(job, terminated_name(attempt)))
        elif listing.has(inputs_name(attempt)):
            self.advance(event, job, attempt, listing)

    def advance(self, event: Event, job: str, attempt: int, listing: Listing) -> None:
        """Create the Job, wait for its pods, or decide the attempt by its `terminated` record."""
        request = Request.from_dict(self.records.read(job, REQUEST))
        workers = request.limits.workers
        present = wanted_outputs(listing, attempt, workers)
        outputs = [self.find_outputs(job, attempt, index, present) for index in range(workers)]
        known = know(listing, attempt, outputs)
        sights = self.launcher.look(job, attempt)
        step = choose(known, sights)
        if step == "create":
            self.dispatch(event, request, attempt)
        elif step == "ask again":
            raise Temporary("All outputs are in; the plugin's exit has not been reported yet.")
        elif step == "judge":
            value = self.terminate(job, attempt, sights, known.arrived)
            self.follow_verdict(event, job, attempt, value)

    def find_outputs(self, job: str, attempt: int, index: int, present: list[int]) -> Value | None:
        return self.records.read(job, outputs_name(attempt, index)) if index in present else None

    def dispatch(self, event: Event, request: Request, attempt: int) -> None:
        """The record first: it means intent. Then the Job, which may be there already."""
        job = request.job
        inputs = self.records.read(job, inputs_name(attempt))
        self.records.create(job, dispatched_name(attempt), {"at": now()})
        token = self.minter.mint(Claims(request.tenant, job, attempt))
        self.launcher.create(JobPlan(request, attempt, token, disk_bytes=int(inputs.get("bytes", 0))))
        self.emitter.follow(event, JobDispatched(job, attempt))

    def terminate(self, job: str, attempt: int, sights: tuple[Sight, ...] | None, arrived: tuple[bool, ...]) -> Value:
        """Shut the door for manifests that are not in, archive what was printed, and create `terminated`."""
        arrived = tuple(there or self.close(job, attempt, index) for index, there in enumerate(arrived))
        judgement = judge(sights, arrived, attempt, self.attempts)
        self.archive_logs(job, attempt, len(arrived))
        return self.records.create(job, terminated_name(attempt), describe(judgement))

    def close(self, job: str, attempt: int, index: int) -> bool:
        """Create `outputs` as closed; whether a manifest was quicker."""
        value = self.records.create(job, outputs_name(attempt, index), {CLOSED: True, "at": now()})
        return not is_closed(value)

    def archive_logs(self, job: str, attempt: int, pods: int) -> None:
        """Keep what the pods of an attempt have printed, before they are removed."""
        for index in range(pods):
            if printed := self.launcher.log(job, attempt, index):
                self.store.put(log_key(job, attempt, index), printed)

    def follow_verdict(self, event: Event, job: str, attempt: int, value: Value) -> None:
        """An attempt is decided: open the next one after the last Job is gone, or tell publish."""
        if value["verdict"] != RETRY:
            self.emitter.follow(event, terminated(job, attempt, value))
            return
        self.launcher.delete(job, attempt)
        body = self.records.body(job, inputs_name(attempt))
        header = parse_header(body) | {"attempt": attempt + 1, "at": now()}
        self.records.create_lines(job, inputs_name(attempt + 1), render_lines(header, parse_inputs(body)))
        self.emitter.follow(event, JobStaged(job, attempt + 1))


def describe(judgement: Judgement) -> dict[str, Any]:
    """The `terminated` record."""
    end = describe_end(judgement.end)
    if judgement.verdict == FINISHED:
        end["sentence"] = ""
    return {"verdict": judgement.verdict, **end, "at": now()}
