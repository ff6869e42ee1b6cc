"""A job as data: what is asked for, how it ends, what its parts are called. Pure."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from functions.errors import Permanent

FINISHED, FAILED, CANCELLED, RETRY = "finished", "failed", "cancelled", "retry"
Verdict = Literal["finished", "failed", "cancelled"]
CLOSED = "closed"
MAX_ATTEMPTS = 3

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A job's name is also the name of Kubernetes objects (RFC 1123 label)."""


@dataclass(frozen=True)
class Limits:
    """What a plugin may use: millicores, MiB, GPUs, parallel pods, seconds (0: no limit)."""

    cpu: int = 1000
    memory: int = 200
    gpu: int = 0
    workers: int = 1
    seconds: int = 0


@dataclass(frozen=True)
class Runtime:
    """Where the plugin comes from: a virtual environment on this machine, or an image.

    `place` is the folder of the environment, or the reference of the image.
    """

    kind: Literal["environment", "image"]
    place: str


@dataclass(frozen=True)
class Request:
    """The header of a `request` record: all that the functions must know of a job besides its inputs.

    `command` is complete: interpreter, program, arguments, and the data folders as the plugin sees them.
    """

    job: str
    tenant: str
    instance: int
    feed: int
    plugin: str
    version: str
    command: tuple[str, ...]
    runtime: Runtime
    limits: Limits = field(default_factory=Limits)
    environment: dict[str, str] = field(default_factory=dict)
    compute_resource: str = "host"
    created: str = ""
    trace: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Request:
        """Raises Permanent if the record is not a request; unknown fields are ignored (a newer gateway wrote them)."""
        try:
            known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
            known["command"] = tuple(known["command"])
            known["runtime"] = Runtime(**known["runtime"])
            known["limits"] = Limits(**known["limits"])
            return cls(**known)
        except (KeyError, TypeError) as error:
            raise Permanent(f"The request record of job {value.get('job')!r} is damaged: {error}.") from error


@dataclass(frozen=True)
class Usage:
    """What a plugin used: seconds of CPU, bytes of memory at the peak, seconds on the wall."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    wall_seconds: float = 0.0


EndKind = Literal["ok", "fail", "killed", "stuck"]


@dataclass(frozen=True)
class End:
    """How a plugin ended: `ok` with 0; `fail` by itself (out of memory and deadline too); `killed` by a disruption;
    `stuck`: it could not be started at all, and trying again does not help.

    `reason` is one word (`completed`, `error`, `out-of-memory`, `deadline`, `signal`, `disrupted`, `staging`, ...);
    `sentence` is for the user.
    """

    kind: EndKind
    exit_code: int | None = None
    reason: str = ""
    sentence: str = ""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Sight:
    """What is seen of one pod: whether it may still do something, and how its plugin ended if that is known."""

    alive: bool = False
    end: End | None = None


@dataclass(frozen=True)
class JobPlan:
    """All that a launcher needs to start one attempt of a job. `disk_bytes` is the size of the inputs."""

    request: Request
    attempt: int
    token: str
    disk_bytes: int = 0

    @property
    def job(self) -> str:
        return self.request.job
