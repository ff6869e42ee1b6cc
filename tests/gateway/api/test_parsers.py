"""The forms in which clients send data."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.errors import ApiError, Unreadable, Unsupported
from gateway.api.parsers import COLLECTION, FORM, parse

VALUES = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
)


@given(VALUES)
def test_a_template_says_what_json_says(value: dict[str, Any]) -> None:
    template = {"template": {"data": [{"name": name, "value": one} for name, one in value.items()]}}
    assert parse(json.dumps(template).encode(), COLLECTION) == value
    assert parse(json.dumps(value).encode(), "application/json; charset=utf-8") == value


def test_a_form_keeps_blanks_and_takes_the_last_of_two() -> None:
    assert parse(b"title=&cpu_limit=1500m&a=1&a=2", FORM) == {"title": "", "cpu_limit": "1500m", "a": "2"}


@pytest.mark.parametrize(
    "body",
    [b"[]", b"1", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000],
)
def test_json_that_is_no_object_is_refused_in_a_sentence(body: bytes) -> None:
    with pytest.raises(Unreadable) as refused:
        parse(body, "application/json")
    assert refused.value.sentence


@pytest.mark.parametrize(
    "value", [{}, {"template": 1}, {"template": {"data": [{"value": 1}]}}, {"template": {"data": 3}}, [], None, 7]
)
def test_a_template_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(Unreadable):
        parse(json.dumps(value).encode(), COLLECTION)


def test_other_forms_are_unsupported_unless_nothing_was_sent() -> None:
    assert parse(b"", "") == {}
    with pytest.raises(Unsupported) as refused:
        parse(b"<a/>", "text/xml")
    assert refused.value.sentence == 'Unsupported media type "text/xml" in request.'


@given(st.binary(max_size=200), st.sampled_from([COLLECTION, FORM, "application/json"]))
def test_no_body_brings_the_parser_down(body: bytes, media: str) -> None:
    try:
        assert isinstance(parse(body, media), dict)
    except ApiError as error:
        assert 400 <= error.status < 500
