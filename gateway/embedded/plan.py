"""What a pod process is told, and what it tells: the two files `plan.json` and `status.json` of a run directory.

The plan is written once, before the pod exists; it holds the job token, so it is for its owner's eyes only. The status
is replaced as a whole at each step. Neither is visible in a sandbox.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from functions.jobs import End, Usage
from gateway.embedded.cgroups import Parent
from gateway.embedded.joblog import SEGMENT
from gateway.embedded.processes import Identity

PLAN, STATUS, LOCK, TERMINATION, LEDGER = "plan.json", "status.json", "lock", "termination", "ledger"


@dataclass(frozen=True)
class PodPlan:
    """All that one pod needs. Empty `bwrap`: no sandbox. `memory` in MiB, `cpu` in millicores; `seconds` 0: no limit.

    `stage_in` and `stage_out` name functions (`module:function`) that take an environment and return an exit code.
    `disk_bytes` bounds what the plugin may write; `shared_memory` is the size of /dev/shm, in bytes.
    """

    job: str
    attempt: int
    index: int
    workers: int
    token: str
    stage_url: str
    publish_url: str
    command: tuple[str, ...]
    environment: str
    variables: dict[str, str]
    cpu: int
    memory: int
    seconds: int
    stage_in: str
    stage_out: str
    links: bool = False
    bwrap: str = ""
    hidden: tuple[str, ...] = ()
    disk_bytes: int = 50 << 30
    shared_memory: int = 64 << 20
    processes: int = 2048
    log_segment: int = SEGMENT
    parents: tuple[Parent, ...] = ()

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> PodPlan:
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        parents = tuple(Parent(**{**row, "controllers": tuple(row["controllers"])}) for row in known["parents"])
        words = {"command": tuple(known["command"]), "hidden": tuple(known["hidden"])}
        return cls(**{**known, **words, "parents": parents})


@dataclass(frozen=True)
class Status:
    """How far a pod is: `begun`, `running`, `ended` (its plugin; the outputs are being published), `done`.

    `end` is known from `ended` on, or is set with `done` if the plugin could not start at all.
    """

    phase: str
    identity: Identity | None = None
    uid: str = ""
    end: End | None = None
    published: bool = field(default=False)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Status:
        end, identity = value.get("end"), value.get("identity")
        return cls(
            phase=value["phase"],
            identity=Identity(**identity) if identity else None,
            uid=value["uid"],
            end=End(**{**end, "usage": Usage(**end["usage"])}) if end else None,
            published=value["published"],
        )


def read_plan(run: Path) -> PodPlan | None:
    """None if the folder has none, or one that a crash of the machine has cut short."""
    value = _read(run / PLAN)
    return PodPlan.from_dict(value) if value else None


def read_status(run: Path) -> Status | None:
    """None if no pod has begun here."""
    value = _read(run / STATUS)
    return Status.from_dict(value) if value else None


def write_plan(run: Path, plan: PodPlan) -> None:
    """Not made durable: after a power cut there are no pods, and a plan that was cut short is taken for none."""
    _write(run / PLAN, asdict(plan), durable=False)


def write_status(run: Path, status: Status, *, durable: bool = False) -> None:
    """Replace the status. `durable`: it must outlive a power cut, since something outside is about to rest on it."""
    _write(run / STATUS, asdict(status), durable=durable)


def _read(path: Path) -> dict[str, Any] | None:
    with suppress(FileNotFoundError, NotADirectoryError, ValueError):
        value: dict[str, Any] = json.loads(path.read_bytes())
        return value
    return None


def _write(path: Path, value: Mapping[str, Any], *, durable: bool) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, json.dumps(value).encode())
        if durable:
            os.fdatasync(file)
    finally:
        os.close(file)
    beside.replace(path)
