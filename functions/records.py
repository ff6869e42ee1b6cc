"""Job records: the bucket is the memory of the functions (design 3.3).

Under `.chrysalis/jobs/<job>/` lie, each written once by a conditional create before the side effect that it names:

    request                       the job as the gateway released it: a header line and a line per input (NDJSON)
    <attempt>/inputs              the inputs as stage froze them: a header line and a line per input (NDJSON)
    <attempt>/dispatched          run means to create the Job
    <attempt>/started/<index>     the uid of the pod that may start the plugin
    <attempt>/outputs/<index>     the manifest of an index, or "closed": too late
    <attempt>/terminated          what became of the attempt: finished, failed or retry
    result                        what became of the job; whoever creates it decides

A record means intent, not completion: whoever finds it repeats its effect, which is safe.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.errors import Permanent
from functions.objects import Missing, ObjectStore

ROOT = ".chrysalis/jobs"
Value = dict[str, Any]


def place(job: str) -> str:
    """The prefix of all records of a job."""
    return f"{ROOT}/{job}/"


def attempt_prefix(job: str, attempt: int) -> str:
    """The prefix of the keys at which the outputs of an attempt are born (design 3.4)."""
    return f"jobs/{job}/{attempt}/out"


def output_prefix(job: str, attempt: int, index: int = 0) -> str:
    """The prefix of the outputs of one index: so no pod of a job overwrites what another has written."""
    return f"{attempt_prefix(job, attempt)}{f'-{index}' if index else ''}/"


def inputs_name(attempt: int) -> str:
    return f"{attempt}/inputs"


def dispatched_name(attempt: int) -> str:
    return f"{attempt}/dispatched"


def started_name(attempt: int, index: int) -> str:
    return f"{attempt}/started/{index}"


def outputs_name(attempt: int, index: int) -> str:
    return f"{attempt}/outputs/{index}"


def terminated_name(attempt: int) -> str:
    return f"{attempt}/terminated"


def manifest_key(job: str, attempt: int, index: int, uid: str) -> str:
    """Where stage-out puts its manifest; a manifest is no record: the `outputs` record points at it."""
    return f"{place(job)}{attempt}/manifests/{index}-{uid}"


def log_key(job: str, attempt: int, index: int) -> str:
    return f"{place(job)}{attempt}/log/{index}"


REQUEST, RESULT = "request", "result"


@dataclass(frozen=True)
class Input:
    """One input file: where it is, what it must be, and where the plugin sees it (relative to its folder)."""

    path: str
    key: str
    size: int
    etag: str
    version: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Output:
    """One line of a manifest: a file that the plugin wrote. `digest` is the SHA-256 in hex."""

    path: str
    key: str
    size: int
    etag: str
    digest: str


def render_lines(header: Mapping[str, Any], rows: Iterable[Input | Output]) -> bytes:
    """NDJSON: the header, then a line per row."""
    lines = [json.dumps(header, separators=(",", ":"), sort_keys=True)]
    lines += [json.dumps(vars(row), separators=(",", ":"), ensure_ascii=False) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def parse_header(body: bytes) -> Value:
    """The first line of a record. Raises Permanent if that is no JSON object."""
    try:
        value = json.loads(body.split(b"\n", 1)[0])
    except ValueError as error:
        raise Permanent("A job record is damaged: its first line is not JSON.") from error
    if not isinstance(value, dict):
        raise Permanent("A job record is damaged: its first line is not a JSON object.")
    return value


def parse_inputs(body: bytes) -> Iterator[Input]:
    """The inputs in a `request` or `inputs` record. Raises Permanent if a line is damaged."""
    for line in body.split(b"\n")[1:]:
        try:
            if line:
                yield Input(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise Permanent("A job record is damaged: one of its lines is no input.") from error


@dataclass(frozen=True)
class Listing:
    """The records of a job that one listing found; pure questions about them."""

    names: frozenset[str] = field(default_factory=frozenset)

    @property
    def result(self) -> bool:
        return RESULT in self.names

    @property
    def attempt(self) -> int:
        """The newest attempt whose inputs are frozen; 0 if there is none."""
        return max((int(name.split("/")[0]) for name in self.names if name.endswith("/inputs")), default=0)

    def started(self, attempt: int) -> bool:
        return any(name.startswith(f"{attempt}/started/") for name in self.names)

    def has(self, name: str) -> bool:
        return name in self.names


class Records:
    """The records of jobs in a store."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def list(self, job: str) -> Listing:
        """The names of the records that a job has (one LIST call; manifests and logs are not records)."""
        names: list[str] = []
        after: str | None = ""
        while after is not None:
            page = self.store.list(place(job), after=after)
            names += [info.key.removeprefix(place(job)) for info in page.objects]
            after = page.after
        return Listing(frozenset(name for name in names if "/manifests/" not in name and "/log/" not in name))

    def body(self, job: str, name: str) -> bytes:
        """The bytes of a record. Raises Missing."""
        return self.store.get(place(job) + name).read()

    def read(self, job: str, name: str) -> Value:
        """The value of a record, or its header if it has lines. Raises Missing."""
        return parse_header(self.body(job, name))

    def find(self, job: str, name: str) -> Value | None:
        try:
            return self.read(job, name)
        except Missing:
            return None

    def create(self, job: str, name: str, value: Mapping[str, Any]) -> Value:
        """Conditional create; answers what the record holds afterwards, be it ours or an earlier one."""
        return parse_header(self.create_lines(job, name, json.dumps(value, separators=(",", ":")).encode()))

    def create_lines(self, job: str, name: str, body: bytes) -> bytes:
        key = place(job) + name
        if self.store.create(key, body) is not None:
            return body
        try:
            return self.store.get(key).read()
        except Missing as error:
            raise Permanent(f"The store says that the record {key!r} exists, but cannot read it.") from error
