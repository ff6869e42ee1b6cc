"""The answer table: what a handler says becomes the status by which Knative retries, buries or forgets."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.errors import Permanent, Refused, Temporary
from functions.events import Event, render
from functions.host import Receiver, create_app
from functions.payloads import JobStaged
from functions.signatures import SigningKeys

KEYS = SigningKeys("a", {"a": b"a" * 32})
EVENT = Event(JobStaged("7-a", 1), "ward", "stage", datetime(2026, 1, 2, tzinfo=UTC))
MESSAGE = render(EVENT, KEYS)
NAMES = st.sampled_from([*MESSAGE.headers, "Host", "ce-extra"])
VALUES = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=30)


class Handler:
    """Does what it is told, and remembers that it was called."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure, self.seen = failure, []

    def __call__(self, event: Event) -> None:
        self.seen.append(event)
        if self.failure:
            raise self.failure


def make(handler: Handler) -> Receiver:
    return Receiver("run", KEYS, {JobStaged: handler})


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (None, 204),
        (Permanent("This cannot be."), 422),
        (Refused("This may not be."), 422),
        (Temporary("Not now."), 503),
        (RuntimeError("a fault of ours"), 503),
    ],
    ids=["done", "permanent", "refused", "temporary", "unforeseen"],
)
def test_what_a_handler_says_becomes_a_status(failure: Exception | None, status: int) -> None:
    answer = make(Handler(failure)).receive(MESSAGE.headers, MESSAGE.body)
    assert answer.status == status
    assert (answer.body == b"") == (status == 204), "a success with a body is a failure to Knative"


def test_a_sentence_of_ours_is_told_and_an_unforeseen_one_is_not() -> None:
    told = make(Handler(Permanent("The file 'a' is gone."))).receive(MESSAGE.headers, MESSAGE.body)
    assert json.loads(told.body)["sentence"] == "The file 'a' is gone."
    hidden = make(Handler(RuntimeError("password=hush"))).receive(MESSAGE.headers, MESSAGE.body)
    assert b"hush" not in hidden.body


@given(st.dictionaries(NAMES, VALUES), st.binary(max_size=100) | st.just(MESSAGE.body))
def test_no_message_whatever_is_answered_by_a_server_error_or_acted_on(headers: dict[str, str], body: bytes) -> None:
    handler = Handler()
    changed = {**MESSAGE.headers, **headers}
    answer = make(handler).receive(changed, body)
    assert answer.status in (204, 400, 401, 422)
    if answer.status != 204:
        assert handler.seen == []
        assert json.loads(answer.body)["sentence"]
    else:
        assert handler.seen[0].payload == EVENT.payload


@given(st.sets(st.sampled_from(sorted(MESSAGE.headers)), min_size=1))
def test_an_event_that_lacks_attributes_is_told_of_each(missing: set[str]) -> None:
    headers = {name: value for name, value in MESSAGE.headers.items() if name not in missing}
    answer = make(Handler()).receive(headers, MESSAGE.body)
    if missing <= {"content-type", "ce-feed"}:
        assert answer.status == 204
        return
    assert answer.status in (400, 401)
    told = answer.body.decode()
    if not any(name.startswith("ce-") for name in headers):
        assert "no CloudEvent" in told
        return
    known = {"ce-id", "ce-source", "ce-type", "ce-specversion"}
    if not missing & {"ce-type", "ce-source"}:  # these say which others there must be
        known |= {"ce-tenant", "ce-job", "ce-subject"}
    for name in missing & known:
        assert name.removeprefix("ce-") in told


def test_the_function_is_a_web_application() -> None:
    handler = Handler()
    client = create_app(make(handler)).test_client()
    assert client.post("/", headers=MESSAGE.headers, data=MESSAGE.body).status_code == 204
    assert handler.seen == [EVENT]
    assert client.post("/", data=b"{").status_code == 400
    assert client.get("/healthz").status_code == 204
