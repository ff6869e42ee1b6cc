"""The answer table of the embedded broker, against a table that is written out by itself here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.embedded.answers import Answer, Fate, judge

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}

EMPTY_BODY = {
    Fate.DONE: [*range(200, 300)],
    Fate.RETRIED: [404, 408, 409, 429, *range(500, 600)],
    Fate.BURIED: [
        *range(100, 200),
        *range(300, 400),
        *range(400, 404),
        405,
        406,
        407,
        *range(410, 429),
        *range(430, 500),
    ],
}
"""Status to fate, as shared notes on Knative's dispatcher tell it."""


@pytest.mark.parametrize(("fate", "statuses"), EMPTY_BODY.items(), ids=lambda value: getattr(value, "name", ""))
def test_an_empty_answer_is_judged_by_its_status(fate: Fate, statuses: list[int]) -> None:
    assert {judge(Answer(status)) for status in statuses} == {fate}


def test_the_table_covers_every_status_once() -> None:
    assert sorted(status for statuses in EMPTY_BODY.values() for status in statuses) == list(range(100, 600))


def test_no_answer_is_tried_again() -> None:
    assert judge(None) is Fate.RETRIED


@given(st.sampled_from(EMPTY_BODY[Fate.DONE]), st.binary(min_size=1))
def test_a_success_whose_body_is_no_event_is_tried_again(status: int, body: bytes) -> None:
    assert judge(Answer(status, {"content-type": "application/json"}, body)) is Fate.RETRIED


@given(st.sampled_from(EMPTY_BODY[Fate.DONE]), st.binary(), st.booleans())
def test_a_success_that_is_an_event_goes_back(status: int, body: bytes, capitals: bool) -> None:
    headers = {name.title() if capitals else name: value for name, value in EVENT.items()}
    assert judge(Answer(status, headers, body)) is Fate.REPLIED


@pytest.mark.parametrize("absent", ["ce-id", "ce-source", "ce-type"])
def test_half_an_event_is_tried_again(absent: str) -> None:
    assert judge(Answer(200, {name: value for name, value in EVENT.items() if name != absent})) is Fate.RETRIED


@given(st.sampled_from([*EMPTY_BODY[Fate.RETRIED], *EMPTY_BODY[Fate.BURIED]]), st.binary(), st.booleans())
def test_the_body_of_a_failure_changes_nothing(status: int, body: bytes, event: bool) -> None:
    assert judge(Answer(status, EVENT if event else {}, body)) is judge(Answer(status))
