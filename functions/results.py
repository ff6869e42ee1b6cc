"""The one `result` of a job: whoever creates it decides, and everybody tells what it holds (design 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from functions.events import Emitter, Event
from functions.jobs import End, Verdict
from functions.payloads import RESULTS, JobTerminated, ResultEvent
from functions.records import RESULT, Records, Value


def now() -> str:
    """UTC, as records keep times (ISO 8601)."""
    return datetime.now(UTC).isoformat()


@dataclass(frozen=True)
class Result:
    """What became of a job. `attempt` 0 names no outputs; `manifests` are parts of `outputs` records.

    `logged` is the attempt whose printed text is archived, where `attempt` names none.
    """

    verdict: Verdict
    attempt: int = 0
    reason: str = ""
    sentence: str = ""
    exit_code: int | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    manifests: Sequence[dict[str, Any]] = ()
    logged: int = 0

    def as_dict(self) -> Value:
        return asdict(self) | {"manifests": list(self.manifests), "at": now()}


def describe_end(end: End | None) -> dict[str, Any]:
    """An end in the words of the `terminated` and `result` records."""
    if end is None:
        return {"exit_code": None, "reason": "", "sentence": "", "usage": {}}
    return {"exit_code": end.exit_code, "reason": end.reason, "sentence": end.sentence, "usage": asdict(end.usage)}


def decide(records: Records, job: str, result: Result) -> Value:
    """Take `result` if nobody has; answers what it holds."""
    return records.create(job, RESULT, result.as_dict())


def announce(emitter: Emitter, cause: Event, job: str, value: Value) -> None:
    """Tell what became of a job, as its record says."""
    emitter.follow(cause, concluded(job, value))


def concluded(job: str, value: Value) -> ResultEvent:
    """The event that points at a `result` record."""
    return RESULTS[value["verdict"]](job, reason=value.get("reason", ""))


def terminated(job: str, attempt: int, value: Value) -> JobTerminated:
    """The event that points at a `terminated` record."""
    usage = value.get("usage") or {}
    return JobTerminated(
        job,
        attempt,
        verdict=value["verdict"],
        exit_code=value.get("exit_code"),
        reason=value.get("reason", ""),
        cpu_seconds=float(usage.get("cpu_seconds", 0.0)),
        peak_bytes=int(usage.get("peak_bytes", 0)),
        wall_seconds=float(usage.get("wall_seconds", 0.0)),
    )
