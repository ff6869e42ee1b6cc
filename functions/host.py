"""From a CloudEvent over HTTP to a handler and back to a status: the answer table (design 3.2), once for all functions.

    204                 done (or a real CloudEvent; a plain 200 with a body is a failure to Knative)
    400                 this cannot be read          -> dead letter
    401                 the signature is wrong       -> dead letter, logged
    422                 a permanent failure          -> dead letter
    503                 a temporary failure, or one of ours that nobody foresaw -> retried with backoff

Which statuses Knative retries was read in knative/eventing, pkg/kncloudevents/retries.go.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import Flask, Response, request

from functions.errors import Permanent, Refused, Temporary
from functions.events import Event, Malformed, parse
from functions.payloads import JobEvent, Payload
from functions.signatures import SigningKeys

log = logging.getLogger(__name__)

Handle = Callable[[Event], None]


@dataclass(frozen=True)
class Answer:
    """What is told to the sender; `body` is empty for a success."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


DONE = Answer(204)


def refuse(status: int, sentence: str, faults: list[str] | None = None) -> Answer:
    body = json.dumps({"sentence": sentence} | ({"faults": faults} if faults else {})).encode()
    return Answer(status, {"Content-Type": "application/problem+json"}, body)


@dataclass(frozen=True)
class Receiver:
    """One function: a handler per payload type, behind the answer table."""

    name: str
    keys: SigningKeys
    handlers: Mapping[type[Payload], Handle]

    def receive(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Read one message, act on it, answer. Never raises."""
        try:
            event = parse(headers, body, self.keys)
        except Malformed as error:
            return refuse(400, "This event cannot be read.", error.faults)
        except Refused as error:
            log.warning("an event was refused: %s", error, extra={"action": "event.refused", "function": self.name})
            return refuse(401, str(error))
        return self.act(event)

    def act(self, event: Event) -> Answer:
        handle = self.handlers.get(type(event.payload))
        if handle is None:
            return refuse(422, f"The function {self.name!r} does not act on {event.type!r}.")
        try:
            handle(event)
        except Temporary as error:
            log.info("%s: %s, to be tried again: %s", self.name, event.id, error, extra=describe(event))
            return refuse(503, str(error))
        except Permanent as error:
            log.error("%s: %s failed for good: %s", self.name, event.id, error, extra=describe(event))
            return refuse(422, str(error))
        except Exception:  # the border: a fault of ours must not lose the event
            log.exception("%s: %s met a fault of ours", self.name, event.id, extra=describe(event))
            return refuse(503, "The function met an unexpected fault; it will be tried again.")
        return DONE


def describe(event: Event) -> dict[str, str]:
    """What a log line tells about an event: ids only, never patient data."""
    job = event.payload.job if isinstance(event.payload, JobEvent) else ""
    return {"action": event.type, "job": job, "tenant": event.tenant, "trace": event.trace}


def create_app(receiver: Receiver) -> Flask:
    """The function as a web application: events come to `/`, probes to `/healthz`."""
    app = Flask(receiver.name)

    @app.post("/")
    def receive() -> Response:
        answer = receiver.receive(dict(request.headers), request.get_data(cache=False))
        return Response(answer.body, answer.status, answer.headers)

    @app.get("/healthz")
    def healthz() -> Response:
        return Response(status=204)

    return app
