"""Pages, and the links to those beside."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.paging import MAX_LIMIT, neighbours, read_page
from gateway.catalog.lists.rows import Window

BASE = "http://x/api/v1/plugins/"


@pytest.mark.parametrize("text", ["0", "-3", "many", "", "1.5", "9" * 5000])
def test_a_limit_without_sense_is_the_default(text: str) -> None:
    assert read_page([("limit", text)]) == Window(10, 0)
    assert read_page([("offset", text)]).offset == 0


def test_a_huge_limit_answers_ten_thousand_and_next() -> None:
    window = read_page([("limit", "1000000")])
    assert window == Window(MAX_LIMIT, 0)
    after, _ = neighbours(BASE, [("limit", "1000000")], window, MAX_LIMIT + 1)
    assert after == f"{BASE}?limit={MAX_LIMIT}&offset={MAX_LIMIT}"


def test_offset_nought_is_left_out_of_previous() -> None:
    assert neighbours(BASE, [], Window(10, 10), 30) == (f"{BASE}?limit=10&offset=20", f"{BASE}?limit=10")


def test_the_only_page_has_no_neighbours() -> None:
    assert neighbours(BASE, [], Window(10, 0), 10) == (None, None)


def test_other_parameters_are_kept() -> None:
    after, _ = neighbours(BASE, [("name", "a b&c"), ("format", "json"), ("offset", "0")], Window(1, 0), 2)
    assert after == f"{BASE}?format=json&limit=1&name=a+b%26c&offset=1"


@given(count=st.integers(0, 200), limit=st.integers(1, 50))
def test_whoever_follows_next_sees_every_row_once(count: int, limit: int) -> None:
    query: list[tuple[str, str]] = [("limit", str(limit))]
    seen: list[int] = []
    while True:
        window = read_page(query)
        seen += range(window.offset, min(window.offset + window.limit, count))
        after, _ = neighbours(BASE, query, window, count)
        if after is None:
            break
        query = parse_qsl(urlsplit(after).query)
    assert seen == list(range(count))
