"""Any payload survives render and parse; whatever is wrong with an event is all told, and never a surprise."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from cloudevents.core.bindings.http import HTTPMessage
from hypothesis import given
from hypothesis import strategies as st

from functions.errors import Permanent
from functions.events import Event, Malformed, Unsigned, parse, render
from functions.jobs import NAME
from functions.payloads import TABLE, JobFinished, JobStaged, Rule, describe, subscribed
from functions.signatures import SigningKeys

KEYS = SigningKeys("a", {"a": b"a" * 32})
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
WORDS = {int: st.integers(0, 2**53), float: st.floats(0, 1e12), str: TEXT}


def values(rule: Rule) -> st.SearchStrategy[Any]:
    limits, kind = rule.limits, rule.kind
    if "pattern" in limits:
        return st.from_regex(NAME, fullmatch=True)
    if "enum" in limits:
        return st.sampled_from(limits["enum"])
    drawn = WORDS[kind].filter(lambda v: v >= limits.get("minimum", 0)) if kind is not str else WORDS[kind]
    drawn = drawn.filter(bool) if "minLength" in limits else drawn
    return st.none() | drawn if rule.nullable else drawn


@st.composite
def events(draw: st.DrawFn) -> Event:
    row = draw(st.sampled_from(TABLE))
    drawn = {rule.name: draw(values(rule)) for rule in row.rules}
    time = draw(st.datetimes(timezones=st.just(UTC), min_value=datetime(1990, 1, 1)))
    feed, modality = draw(st.sampled_from(["", "7"])), draw(st.sampled_from(["", "MR"]))
    trace = draw(st.sampled_from(["", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"]))
    return Event(row.payload(**drawn), "ward-7", "stage", time, feed, modality, trace)


@given(events())
def test_any_payload_survives_render_and_parse(event: Event) -> None:
    message = render(event, KEYS)
    assert parse(message.headers, message.body, KEYS) == event


@given(events())
def test_every_payload_fits_its_schema(event: Event) -> None:
    row = next(row for row in TABLE if row.payload is type(event.payload))
    jsonschema.validate(asdict(event.payload), describe(row))


@given(events(), events())
def test_only_a_repeat_has_the_same_source_and_id(one: Event, other: Event) -> None:
    again = replace(one, time=other.time)
    assert (again.source, again.id) == (one.source, one.id)
    if type(one.payload) is not type(other.payload):
        assert one.id != other.id


@given(events(), st.data())
def test_a_changed_event_is_refused(event: Event, data: st.DataObject) -> None:
    message = render(event, KEYS)
    name = data.draw(st.sampled_from(sorted(message.headers)))
    changed = data.draw(TEXT.filter(lambda text: text != message.headers[name]))
    neutral = {"ce-time", "content-type", "ce-feed", "ce-modality", "ce-traceparent"}
    if name not in neutral:
        with pytest.raises((Malformed, Unsigned)):
            parse(message.headers | {name: changed.encode("utf-8").decode("latin-1")}, message.body, KEYS)


@given(events())
def test_changed_data_is_refused(event: Event) -> None:
    message = render(event, KEYS)
    field = fields(event.payload)[0].name
    body = json.dumps(asdict(event.payload) | {field: "other"}).encode()
    with pytest.raises((Malformed, Unsigned)):
        parse(message.headers, body, KEYS)


HEADERS = st.dictionaries(st.sampled_from(["ce-id", "ce-type", "ce-time", "content-type", "ce-x", "ce-tenant"]), TEXT)
JSON = st.recursive(st.none() | TEXT | st.floats(), st.lists).map(lambda value: json.dumps(value).encode())


@given(st.binary(max_size=200) | JSON, HEADERS | st.just({"content-type": "application/cloudevents+json"}))
def test_no_message_ends_in_anything_but_a_permanent_failure(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(Permanent):
        parse(headers, body, KEYS)


def test_all_faults_are_told_at_once() -> None:
    headers = {"ce-id": "1", "ce-type": "io.chrysalis.job.staged.v1", "ce-source": "/elsewhere"}
    with pytest.raises(Malformed) as caught:
        parse(headers, b'{"job": "UPPER", "attempt": 0}', KEYS)
    told = " ".join(caught.value.faults)
    for word in ("job", "attempt", "source", "time", "specversion", "signature"):
        assert word in told


def test_a_structured_event_is_understood_too() -> None:
    event = Event(JobStaged("7-a", 1), "ward-7", "stage", datetime(2026, 1, 2, tzinfo=UTC))
    message = render(event, KEYS)
    envelope = {name.removeprefix("ce-"): text for name, text in message.headers.items() if name.startswith("ce-")}
    body = json.dumps(envelope | {"data": json.loads(message.body)}).encode()
    assert parse({"Content-Type": "application/cloudevents+json"}, body, KEYS) == event


def test_two_keys_are_valid_while_rotating() -> None:
    event = Event(JobFinished("7-a"), "ward-7", "run", datetime(2026, 1, 2, tzinfo=UTC))
    both = SigningKeys("b", {"a": b"a" * 32, "b": b"b" * 32})
    message: HTTPMessage = render(event, KEYS)
    assert parse(message.headers, message.body, both) == event
    with pytest.raises(Unsigned):
        parse(message.headers, message.body, SigningKeys("b", {"b": b"b" * 32}))


def test_every_type_has_a_sender_and_somebody_who_acts() -> None:
    assert all(row.emitters and row.subscribers for row in TABLE)
    assert {row.name for row in subscribed("run")} == {"job.staged", "outputs.committed", "cancel.requested"}
