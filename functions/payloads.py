"""What the events of Chrysalis carry: one frozen dataclass per type, and the table of who sends and who acts.

Payloads are small; a long list is an object, and the event points at it. `events.py` puts a payload on the wire.
"""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cached_property
from typing import Any

from functions.jobs import NAME

PREFIX, VERSION = "io.chrysalis.", ".v1"


def named(default: Any = MISSING) -> Any:
    """A field that holds a job's name."""
    return field(default=default, metadata={"pattern": f"^{NAME.pattern}$"})


def counted(least: int = 0, default: Any = MISSING) -> Any:
    """A field that holds a number not below `least`."""
    return field(default=default, metadata={"minimum": least})


def filled() -> Any:
    """A field that holds a text which is not empty."""
    return field(metadata={"minLength": 1})


@dataclass(frozen=True)
class ObjectCreated:
    """An object has appeared, or has been overwritten, under a watched prefix. `size` in bytes."""

    key: str = filled()
    size: int = counted()
    etag: str = ""
    version: str = ""


@dataclass(frozen=True)
class ObjectRemoved:
    """An object under a watched prefix is gone."""

    key: str = filled()
    etag: str = ""
    version: str = ""


@dataclass(frozen=True)
class JobEvent:
    """What every event of a job carries."""

    job: str = named()


@dataclass(frozen=True)
class AttemptEvent(JobEvent):
    """What every event of an attempt carries; attempts count from 1."""

    attempt: int = counted(1)


@dataclass(frozen=True)
class IndexEvent(AttemptEvent):
    """What every event of one pod of an attempt carries; indexes count from 0."""

    index: int = counted()


@dataclass(frozen=True)
class JobRequested(JobEvent):
    """The gateway has released a job: its `request` record is there."""


@dataclass(frozen=True)
class JobStaged(AttemptEvent):
    """The inputs of an attempt are frozen: its `inputs` record is there."""


@dataclass(frozen=True)
class JobDispatched(AttemptEvent):
    """run means to create the Job: `dispatched` is there."""


@dataclass(frozen=True)
class JobStarted(IndexEvent):
    """Inputs are complete and a pod holds the claim to start: `started/<index>` is there."""


@dataclass(frozen=True)
class JobUploading(IndexEvent):
    """stage-out has asked for its first URLs."""


@dataclass(frozen=True)
class OutputsCommitted(IndexEvent):
    """A manifest is in: `outputs/<index>` is there. `count` is its number of lines, `digest` its SHA-256."""

    manifest: str = ""
    count: int = counted(0, 0)
    digest: str = ""


@dataclass(frozen=True)
class JobTerminated(AttemptEvent):
    """An attempt is decided: `terminated` is there."""

    verdict: str = field(default="failed", metadata={"enum": ["finished", "failed", "retry"]})
    exit_code: int | None = None
    reason: str = ""
    cpu_seconds: float = counted(0, 0.0)
    peak_bytes: int = counted(0, 0)
    wall_seconds: float = counted(0, 0.0)


@dataclass(frozen=True)
class ResultEvent(JobEvent):
    """A job is decided: `result` is there; the receiver copies the record, never the event's word."""

    reason: str = ""


@dataclass(frozen=True)
class JobFinished(ResultEvent):
    """The plugin ended well and its outputs are verified."""


@dataclass(frozen=True)
class JobFailed(ResultEvent):
    """The job ended badly; `reason` is one word."""


@dataclass(frozen=True)
class JobCancelled(ResultEvent):
    """A user's wish came before any other end."""


@dataclass(frozen=True)
class CancelRequested(JobEvent):
    """A user wants a job to end."""


Payload = ObjectCreated | ObjectRemoved | JobEvent


@dataclass(frozen=True)
class Rule:
    """What a field of a payload must be: `limits` in the words of JSON Schema."""

    name: str
    kind: type
    nullable: bool
    limits: dict[str, Any]
    required: bool


def read_rule(item: Field[Any], hint: Any) -> Rule:
    nullable = isinstance(hint, types.UnionType)
    kind = next(part for part in hint.__args__ if part is not types.NoneType) if nullable else hint
    return Rule(item.name, kind, nullable, dict(item.metadata), item.default is MISSING)


@dataclass(frozen=True)
class EventType:
    """A row of the table: generates the Triggers and the docs. `status` is CUBE's word for a job at this point."""

    name: str
    payload: type[Payload]
    emitters: tuple[str, ...]
    subscribers: tuple[str, ...]
    status: str = ""

    @property
    def full(self) -> str:
        return PREFIX + self.name + VERSION

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        hints = typing.get_type_hints(self.payload)
        return tuple(read_rule(item, hints[item.name]) for item in fields(self.payload))


TABLE = (
    EventType("object.created", ObjectCreated, ("gateway",), ("gateway",)),
    EventType("object.removed", ObjectRemoved, ("gateway",), ("gateway",)),
    EventType("job.requested", JobRequested, ("gateway",), ("stage",), "copying"),
    EventType("job.staged", JobStaged, ("stage", "run"), ("run",), "copying"),
    EventType("job.dispatched", JobDispatched, ("run",), ("gateway",), "scheduled"),
    EventType("job.started", JobStarted, ("stage",), ("gateway",), "started"),
    EventType("job.uploading", JobUploading, ("publish",), ("gateway",), "uploading"),
    EventType("outputs.committed", OutputsCommitted, ("publish",), ("run", "gateway"), "registeringFiles"),
    EventType("job.terminated", JobTerminated, ("run",), ("publish",), "registeringFiles"),
    EventType("job.finished", JobFinished, ("publish", "run"), ("gateway",), "finishedSuccessfully"),
    EventType("job.failed", JobFailed, ("publish", "run", "stage"), ("gateway",), "finishedWithError"),
    EventType("job.cancelled", JobCancelled, ("run",), ("gateway",), "cancelled"),
    EventType("cancel.requested", CancelRequested, ("gateway",), ("run",)),
)
BY_TYPE = {row.full: row for row in TABLE}
BY_NAME = {row.name: row for row in TABLE}
BY_PAYLOAD = {row.payload: row for row in TABLE}
RESULTS = {"finished": JobFinished, "failed": JobFailed, "cancelled": JobCancelled}


def subscribed(subscriber: str) -> tuple[EventType, ...]:
    """The types that a function or the gateway acts on."""
    return tuple(row for row in TABLE if subscriber in row.subscribers)


# --- reading and describing payloads ------------------------------------------------------------------------------

JSON_TYPES: dict[type, tuple[str, tuple[type, ...]]] = {
    str: ("string", (str,)),
    int: ("integer", (int,)),
    float: ("number", (int, float)),
}


def find_faults(row: EventType, data: Any) -> list[str]:
    """All that is wrong with the data of an event, in sentences; unknown fields are allowed (a newer sender)."""
    if not isinstance(data, dict):
        return ["The data must be a JSON object."]
    faults = []
    for rule in row.rules:
        if rule.name not in data:
            faults += [f"The field {rule.name!r} is missing."] if rule.required else []
        elif data[rule.name] is not None or not rule.nullable:
            faults += check_value(rule, data[rule.name])
    return faults


def check_value(rule: Rule, value: Any) -> list[str]:
    name, limits, (word, allowed) = rule.name, rule.limits, JSON_TYPES[rule.kind]
    if isinstance(value, bool) or type(value) not in allowed or value != value:
        return [f"The field {name!r} must be of type {word}."]
    faults = []
    if "minimum" in limits and value < limits["minimum"]:
        faults.append(f"The field {name!r} must not be below {limits['minimum']}.")
    if "minLength" in limits and len(value) < limits["minLength"]:
        faults.append(f"The field {name!r} must not be empty.")
    if "pattern" in limits and not NAME.fullmatch(value):
        faults.append(f"The field {name!r} must be a job's name: lower-case letters, digits and inner hyphens.")
    if "enum" in limits and value not in limits["enum"]:
        faults.append(f"The field {name!r} must be one of: {', '.join(limits['enum'])}.")
    return faults


def read_payload(row: EventType, data: dict[str, Any]) -> Payload:
    """Data without faults as a payload."""
    return row.payload(**{rule.name: data[rule.name] for rule in row.rules if rule.name in data})


def describe(row: EventType) -> dict[str, Any]:
    """The JSON Schema of a type's data."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": row.full,
        "title": row.payload.__name__,
        "description": (row.payload.__doc__ or "").strip(),
        "type": "object",
        "properties": {rule.name: describe_rule(rule) for rule in row.rules},
        "required": [rule.name for rule in row.rules if rule.required],
    }


def describe_rule(rule: Rule) -> dict[str, Any]:
    word = JSON_TYPES[rule.kind][0]
    return {"type": [word, "null"] if rule.nullable else word, **rule.limits}
