"""Events on the wire: CloudEvents 1.0 in binary HTTP mode, signed (design 3.1).

The id of an event is derived from what it is about, so a repeat has the same (source, id). What brokers filter on
(tenant, job, feed, modality) are extensions. `payloads.py` has the contents and the table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast

from cloudevents.core.bindings.http import HTTPMessage, from_binary, to_binary_event
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from functions.errors import Permanent, Refused
from functions.payloads import BY_PAYLOAD, BY_TYPE, JobEvent, Payload, find_faults, read_payload
from functions.signatures import SigningKeys

TENANT = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
SOURCE = re.compile(rf"/chrysalis/({TENANT.pattern})/([a-z]+)")
TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
LARGEST_BODY = 64 * 1024


class Malformed(Permanent):
    """An event that cannot be read (400); `faults` lists all that is wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


class Unsigned(Refused):
    """An event whose signature is missing or forged (401)."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Event:
    """A payload with what is known about its sending. `unit` is the function that sent it; `trace` a traceparent."""

    payload: Payload
    tenant: str
    unit: str
    time: datetime
    feed: str = ""
    modality: str = ""
    trace: str = ""

    @property
    def type(self) -> str:
        return BY_PAYLOAD[type(self.payload)].full

    @property
    def source(self) -> str:
        return f"/chrysalis/{self.tenant}/{self.unit}"

    @property
    def subject(self) -> str:
        return derive_subject(self.payload)

    @property
    def id(self) -> str:
        return derive_id(self.payload)


def derive_subject(payload: Payload) -> str:
    """What a payload is about: a job, an attempt, an index of it, or an object."""
    if isinstance(payload, JobEvent):
        parts = [payload.job, getattr(payload, "attempt", None), getattr(payload, "index", None)]
        return "jobs/" + "/".join(str(part) for part in parts if part is not None)
    return f"objects/{payload.key}"


def derive_id(payload: Payload) -> str:
    """The same for each repeat of an event, another for any other event of the same source."""
    name = BY_PAYLOAD[type(payload)].name
    if isinstance(payload, JobEvent):
        return f"{derive_subject(payload)}/{name}"
    return f"{derive_subject(payload)}/{payload.version or payload.etag}/{name}"


def render(event: Event, keys: SigningKeys) -> HTTPMessage:
    """An event as headers and body, signed."""
    body = json.dumps(asdict(event.payload), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    attributes: dict[str, Any] = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": "application/json",
        "tenant": event.tenant,
        "signature": keys.sign(event.id, event.source, event.type, event.subject, data=body),
    }
    if isinstance(event.payload, JobEvent):
        attributes["job"] = event.payload.job
    optional = {"feed": event.feed, "modality": event.modality, "traceparent": event.trace}
    attributes |= {name: value for name, value in optional.items() if value}
    message = to_binary_event(CloudEvent(attributes))
    return HTTPMessage(message.headers, body)


def parse(headers: Mapping[str, str], body: bytes, keys: SigningKeys) -> Event:
    """The event in an HTTP message. Raises Malformed or Unsigned with every fault found."""
    message = read_message(headers, body)
    attributes = message.attributes
    text = {name: str(attributes.get(name) or "") for name in ("id", "source", "type", "subject", "signature")}
    row = BY_TYPE.get(text["type"])
    wrong = find_faults(row, message.data) if row else [f"The type {text['type']!r} is not known here."]
    payload = read_payload(row, message.data) if row and not wrong else None
    faults = [*message.faults, *wrong, *check_envelope(attributes), *check_agreement(payload, attributes)]
    signed = keys.verify(text.pop("signature"), *text.values(), data=message.raw)
    unsigned = [] if signed else ["The signature is missing or not by a key of this tenant."]
    if faults or payload is None:
        raise Malformed(faults + unsigned)
    if unsigned:
        raise Unsigned(unsigned)
    return compose(payload, attributes)


@dataclass(frozen=True)
class Read:
    """A message as it was read: its attributes, data, the bytes that are signed, and what is wrong so far."""

    attributes: dict[str, Any]
    data: Any
    raw: bytes
    faults: tuple[str, ...] = ()


def read_message(headers: Mapping[str, str], body: bytes) -> Read:
    """Both modes of CloudEvents over HTTP, with every fault of the envelope. Raises Malformed if it is none at all."""
    if len(body) > LARGEST_BODY:
        raise Malformed([f"The event has more than {LARGEST_BODY} bytes; put a long list in an object."])
    lower = {name.lower(): value for name, value in headers.items()}
    if any(name.startswith("ce-") for name in lower):
        data, faults = read_data(body)
        attributes = read_attributes(HTTPMessage(lower | {"content-type": "application/json"}, b"null"))
        return Read(attributes, data, body, (*find_envelope_faults(attributes), *faults))
    if not lower.get("content-type", "").startswith("application/cloudevents"):
        raise Malformed(["This is no CloudEvent: there are no ce- headers."])
    structured, faults = read_data(body)
    if not isinstance(structured, dict):
        raise Malformed(faults or ["This is no CloudEvent: its body must be a JSON object."])
    attributes = {str(name): value for name, value in structured.items() if name not in ("data", "data_base64")}
    attributes["time"] = read_time(attributes.get("time"))
    data = structured.get("data")
    return Read(attributes, data, render_data(data), tuple(find_envelope_faults(attributes)))


def read_attributes(message: HTTPMessage) -> dict[str, Any]:
    """The attributes in ce- headers; a time that cannot be read is left out."""
    try:
        read = from_binary(message, JSONFormat(), Held)
    except (ValueError, OverflowError):
        headers = {name: value for name, value in message.headers.items() if name != "ce-time"}
        read = from_binary(HTTPMessage(headers, message.body), JSONFormat(), Held)
    return {name: value for name, value in read.get_attributes().items() if value is not None}


class Held(CloudEvent):
    """What the CloudEvents library reads, before it fills gaps and validates: so no fault hides another."""

    def __init__(self, attributes: dict[str, Any], data: Any = None) -> None:
        self._attributes, self._data = attributes, data


def read_time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def read_data(body: bytes) -> tuple[Any, list[str]]:
    try:
        return json.loads(body), []
    except (ValueError, RecursionError) as error:
        return None, [f"The body is not JSON: {type(error).__name__}."]


def find_envelope_faults(attributes: Mapping[str, Any]) -> list[str]:
    """What the CloudEvents library says of the attributes."""
    present = {name: value for name, value in attributes.items() if value is not None}
    present.setdefault("specversion", "")
    present.setdefault("id", "")
    try:
        CloudEvent(present)
    except CloudEventValidationError as error:
        return sorted({f"{fault}." for faults in error.errors.values() for fault in faults})
    return []


def render_data(data: Any) -> bytes:
    """Data of a structured event, in the form in which `render` writes it: only so can its signature be checked."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(errors="replace")


def check_envelope(attributes: Mapping[str, Any]) -> list[str]:
    faults = []
    if not SOURCE.fullmatch(str(attributes.get("source") or "")):
        faults.append("The source must be /chrysalis/<tenant>/<unit>.")
    if not isinstance(attributes.get("time"), datetime):
        faults.append("The time is missing.")
    trace = attributes.get("traceparent")
    if trace is not None and not TRACE.fullmatch(str(trace)):
        faults.append("The traceparent is not one.")
    return faults


def compose(payload: Payload, attributes: Mapping[str, Any]) -> Event:
    source = SOURCE.fullmatch(str(attributes["source"]))
    assert source is not None  # check_envelope has seen to it
    return Event(
        payload=payload,
        tenant=source[1],
        unit=source.groups()[-1],
        time=cast(datetime, attributes["time"]),
        feed=str(attributes.get("feed") or ""),
        modality=str(attributes.get("modality") or ""),
        trace=str(attributes.get("traceparent") or ""),
    )


def check_agreement(payload: Payload | None, attributes: Mapping[str, Any]) -> list[str]:
    """Attributes that repeat what the source or the data say must say the same: only these are signed."""
    source = SOURCE.fullmatch(str(attributes.get("source") or ""))
    expected = {"tenant": source[1]} if source else {}
    if payload is not None:
        expected |= {"id": derive_id(payload), "subject": derive_subject(payload)}
    if isinstance(payload, JobEvent):
        expected["job"] = payload.job
    wrong = [name for name, value in expected.items() if attributes.get(name) != value]
    return [f"The attribute {name!r} does not agree with the source or the data." for name in wrong]


Sink = Callable[[HTTPMessage], None]
"""Takes a rendered event; returns when it is accepted. Raises Temporary if it is not."""


@dataclass(frozen=True)
class Emitter:
    """How one unit of one tenant sends events."""

    unit: str
    tenant: str
    keys: SigningKeys
    sink: Sink
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def emit(self, payload: Payload, *, feed: str = "", modality: str = "", trace: str = "") -> None:
        event = Event(payload, self.tenant, self.unit, self.clock(), feed, modality, trace)
        self.sink(render(event, self.keys))

    def follow(self, cause: Event, payload: Payload) -> None:
        """Send what another event has led to: feed, modality and trace go on."""
        self.emit(payload, feed=cause.feed, modality=cause.modality, trace=cause.trace)
