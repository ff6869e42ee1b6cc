"""stage's endpoints for pods: pages of inputs with signed URLs, and the claim to start the plugin.

`functions/movers/README.md` documents the protocol.
"""

from __future__ import annotations

import json
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, jsonify, request

from functions import pods, records
from functions.objects import UrlStore
from functions.pods import Caller, Clock, Door, Emit, Garbled, Keys, Late
from functions.records import Input, Records

LARGEST_PAGE = 1000
URL_SECONDS = 3600
CACHED_RECORDS, CACHED_BYTES = 16, 64 * 1024 * 1024


@dataclass(frozen=True)
class FrozenInputs:
    """An `inputs` record that can be read from any row on: its bytes, and where each row begins in them.

    `total`: bytes of all inputs together.
    """

    body: bytes
    starts: array[int] = field(repr=False)
    total: int

    @classmethod
    def parse(cls, body: bytes) -> FrozenInputs:
        starts, place = array("Q"), body.find(b"\n") + 1
        while 0 < place < len(body):
            starts.append(place)
            place = body.find(b"\n", place) + 1
        return cls(body, starts, int(records.parse_header(body)["bytes"]))

    @property
    def count(self) -> int:
        return len(self.starts)

    def rows(self, start: int, limit: int) -> list[Input]:
        ends = [*self.starts[start + 1 : start + limit + 1], len(self.body)]
        pairs = zip(self.starts[start : start + limit], ends, strict=False)
        return [Input(**json.loads(self.body[begin:end])) for begin, end in pairs]


class Shelf:
    """The `inputs` records that were asked for last. They never change, so they are never stale."""

    def __init__(self, load: Callable[[str, str], bytes]) -> None:
        self.load, self.lock = load, threading.Lock()
        self.held: OrderedDict[tuple[str, int], FrozenInputs] = OrderedDict()

    def get(self, job: str, attempt: int) -> FrozenInputs:
        with self.lock:
            if found := self.held.get((job, attempt)):
                self.held.move_to_end((job, attempt))
                return found
        read = FrozenInputs.parse(self.load(job, records.inputs_name(attempt)))
        with self.lock:
            self.held[job, attempt] = read
            while len(self.held) > 1 and (len(self.held) > CACHED_RECORDS or self.weight() > CACHED_BYTES):
                self.held.popitem(last=False)
        return read

    def weight(self) -> int:
        return sum(len(inputs.body) for inputs in self.held.values())


def render_row(row: Input, url: str) -> dict[str, Any]:
    return {"path": row.path, "size": row.size, "etag": row.etag, "digest": row.digest, "url": url}


def check_undecided(store: Records, caller: Caller) -> None:
    """Raises Late if the attempt has a verdict, or outputs that were closed for one (`decided` in the model)."""
    if caller.listing.has(records.terminated_name(caller.attempt)) or pods.find_closed(store, caller):
        raise Late(f"Attempt {caller.attempt} has been given up.")


@dataclass(frozen=True)
class Admission:
    """stage-in's report that the inputs of one pod are complete."""

    index: int
    uid: str
    files: int
    bytes: int

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Admission:
        return cls(
            index=pods.read_number(body, "index"),
            uid=pods.read_text(body, "uid"),
            files=pods.read_number(body, "files"),
            bytes=pods.read_number(body, "bytes"),
        )


@dataclass(frozen=True)
class Reception:
    """What the endpoints of stage do, without HTTP."""

    store: UrlStore
    records: Records
    emit: Emit
    clock: Clock
    shelf: Shelf
    seconds: int = URL_SECONDS

    def page(self, caller: Caller, start: int, limit: int) -> dict[str, Any]:
        inputs = self.shelf.get(caller.job, caller.attempt)
        rows = inputs.rows(start, limit)
        following = start + len(rows)
        return {
            "attempt": caller.attempt,
            "count": inputs.count,
            "bytes": inputs.total,
            "rows": [render_row(row, self.sign(row)) for row in rows],
            "next": following if following < inputs.count else None,
            "seconds": self.seconds,
        }

    def sign(self, row: Input) -> str:
        return self.store.get_url(row.key, audience="pods", seconds=self.seconds, version=row.version)

    def claim(self, caller: Caller, asked: Admission) -> dict[str, Any]:
        """`admit` of the model: the record is created once; the pod whose uid it holds may start."""
        name = records.started_name(caller.attempt, asked.index)
        value = {"uid": asked.uid, "at": self.clock().isoformat(), "files": asked.files, "bytes": asked.bytes}
        held = self.records.create(caller.job, name, value)
        self.tell_started(caller, asked.index)
        if held.get("uid") == asked.uid:
            return {"start": True}
        return {"start": False, "sentence": "Another pod of this job has started its plugin already."}

    def tell_started(self, caller: Caller, index: int) -> None:
        self.emit("job.started", job=caller.job, attempt=caller.attempt, index=index)

    def admit(self, caller: Caller, asked: Admission) -> dict[str, Any]:
        try:
            check_undecided(self.records, caller)
        except Late as late:
            if caller.listing.has(records.started_name(caller.attempt, asked.index)):
                self.tell_started(caller, asked.index)
            return {"start": False, "sentence": str(late)}
        return self.claim(caller, asked)


def read_query(name: str, default: int, most: int | None = None) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or not text.isascii():
        raise Garbled(f"{name!r} must be a whole number.")
    return min(int(text), most) if most else int(text)


def create_pods_app(
    store: UrlStore,
    store_records: Records,
    keys: Keys,
    emit: Emit,
    clock: Clock = pods.utc_now,
    *,
    tenant: str = "",
    seconds: int = URL_SECONDS,
) -> Flask:
    """The WSGI application that stage-in talks to. `seconds` is how long the URLs work that it gives out."""
    app = pods.make_app(__name__)
    door = Door(store_records, keys, tenant)
    reception = Reception(store, store_records, emit, clock, Shelf(store_records.body), seconds)

    @app.get("/inputs")
    def inputs() -> Response:
        limit = max(1, read_query("limit", LARGEST_PAGE, LARGEST_PAGE))
        return jsonify(reception.page(door.admit(), read_query("from", 0), limit))

    @app.post("/started")
    def started() -> Response:
        return jsonify(reception.admit(door.admit(), Admission.parse(pods.read_body())))

    return app
