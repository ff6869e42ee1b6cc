"""What a search asks for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import true

from gateway.api.errors import Invalid
from gateway.api.filters import read
from gateway.catalog.lists.rows import Filter

ZONE = ZoneInfo("America/New_York")
KINDS = {"id": "number", "name": "text", "min_date": "date", "active": "boolean", "status": ("started", "cancelled")}
FILTERS = {name: Filter(kind, lambda value: true()) for name, kind in KINDS.items()}


def test_each_kind_is_read() -> None:
    query = {
        "id": " 7 ",
        "name": "a b",
        "min_date": "2026-11-22T15:18:15.039715-05:00",
        "active": "True",
        "status": "started",
        "unknown": "x",
    }
    assert read(query, FILTERS, ZONE) == {
        "id": 7,
        "name": "a b",
        "min_date": datetime(2026, 11, 22, 15, 18, 15, 39715, tzinfo=timezone(timedelta(hours=-5))),
        "active": True,
        "status": "started",
    }


def test_empty_values_and_booleans_without_sense_are_ignored() -> None:
    assert read({"id": "", "name": " ", "active": "maybe"}, FILTERS, ZONE) == {}


def test_every_fault_is_told() -> None:
    with pytest.raises(Invalid) as refused:
        read({"id": "x", "min_date": "yesterday", "status": "on", "name": "\0"}, FILTERS, ZONE)
    assert refused.value.body == {
        "id": ["Enter a number."],
        "name": ["Null characters are not allowed."],
        "min_date": ["Enter a valid date/time."],
        "status": ["Select a valid choice. on is not one of the available choices."],
    }


def test_a_time_without_zone_is_the_servers() -> None:
    assert read({"min_date": "2026-11-22T15:18"}, FILTERS, ZONE)["min_date"].utcoffset() == timedelta(hours=-5)


def test_a_plus_that_was_not_escaped_is_understood() -> None:
    assert read({"min_date": "2026-11-22T15:18:15 01:00"}, FILTERS, ZONE)["min_date"].utcoffset() == timedelta(hours=1)


@given(st.dictionaries(st.sampled_from(sorted(KINDS)), st.text()))
def test_no_query_brings_the_reader_down(query: dict[str, str]) -> None:
    try:
        read(query, FILTERS, ZONE)
    except Invalid as refused:
        assert set(refused.body) <= set(query)
