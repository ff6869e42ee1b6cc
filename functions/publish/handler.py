"""publish acts on `job.terminated`: it verifies the outputs and takes `result`, unless the attempt was given up."""

from __future__ import annotations

from dataclasses import dataclass

from functions.events import Emitter, Event
from functions.host import Handle
from functions.jobs import FAILED, FINISHED, Verdict
from functions.objects import Missing, ObjectInfo, ObjectStore
from functions.payloads import JobTerminated, Payload
from functions.publish.core import Manifest, check_manifest, find_clash, find_fault
from functions.records import RESULT, Listing, Output, Records, Value, attempt_prefix, outputs_name, terminated_name
from functions.results import Result, announce, decide

NEXT_STEP = (
    "The outputs cannot be published: {fault}. Submit the job again; if it fails again, tell your administrator."
)


@dataclass(frozen=True)
class Publish:
    """The handler; `store` is where the outputs are, and the records."""

    store: ObjectStore
    records: Records
    emitter: Emitter

    @property
    def handlers(self) -> dict[type[Payload], Handle]:
        return {JobTerminated: self.terminated}

    def terminated(self, event: Event) -> None:
        assert isinstance(event.payload, JobTerminated)
        job, attempt = event.payload.job, event.payload.attempt
        listing = self.records.list(job)
        if listing.result:
            announce(self.emitter, event, job, self.records.read(job, RESULT))
        elif listing.has(terminated_name(attempt)):
            verdict = self.records.read(job, terminated_name(attempt))
            if verdict["verdict"] in (FINISHED, FAILED):
                result = self.conclude(job, attempt, listing, verdict)
                announce(self.emitter, event, job, decide(self.records, job, result))

    def conclude(self, job: str, attempt: int, listing: Listing, verdict: Value) -> Result:
        """The result of an attempt: as `terminated` says, if its outputs hold what they promise."""
        manifests = self.find_manifests(job, attempt, listing)
        fault = self.verify(job, attempt, manifests)
        usage, exit_code = verdict.get("usage") or {}, verdict.get("exit_code")
        if fault:
            sentence = NEXT_STEP.format(fault=fault)
            return Result("failed", attempt, "outputs", sentence, exit_code, usage)
        final: Verdict = "finished" if verdict["verdict"] == FINISHED else "failed"
        return Result(final, attempt, verdict["reason"], verdict["sentence"], exit_code, usage, manifests)

    def find_manifests(self, job: str, attempt: int, listing: Listing) -> list[Manifest]:
        """The manifests that were committed, in the order of their indexes; a failed job may lack some."""
        prefix = outputs_name(attempt, 0)[:-1]
        indexes = sorted(int(name.removeprefix(prefix)) for name in listing.names if name.startswith(prefix))
        values = [self.records.read(job, outputs_name(attempt, index)) for index in indexes]
        return [value["manifest"] for value in values if "manifest" in value]

    def verify(self, job: str, attempt: int, manifests: list[Manifest]) -> str:
        """What is wrong with the outputs of an attempt; empty if nothing is."""
        read = []
        for manifest in manifests:
            try:
                body = self.store.get(manifest["key"]).read()
            except Missing:
                return "a manifest is not in the store"
            outputs, fault = check_manifest(manifest, body, attempt_prefix(job, attempt))
            if fault:
                return fault
            read.append(outputs)
        return find_clash(read) or self.check_objects(attempt_prefix(job, attempt), read)

    def check_objects(self, prefix: str, manifests: list[list[Output]]) -> str:
        if not any(manifests):
            return ""
        found = self.list_objects(prefix)
        return next((fault for outputs in manifests if (fault := find_fault(outputs, found))), "")

    def list_objects(self, prefix: str) -> dict[str, ObjectInfo]:
        found: dict[str, ObjectInfo] = {}
        after: str | None = ""
        while after is not None:
            page = self.store.list(prefix, after=after)
            found |= {info.key: info for info in page.objects}
            after = page.after
        return found
