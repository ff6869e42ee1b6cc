"""The filters of a join: one regular expression for each instance, and a limit to the time that they take."""

from __future__ import annotations

import time

import pytest

from functions.errors import Permanent
from gateway.catalog.patterns import SECONDS, Filters, check, listed


def test_the_first_filter_is_for_the_first_instance_and_a_missing_one_keeps_all() -> None:
    filters = Filters(listed(r"\.dcm$,,^home"))
    assert [filters.keeps(0, path) for path in ("home/a.dcm", "home/a.txt")] == [True, False]
    assert filters.keeps(1, "anything") and filters.keeps(3, "anything")
    assert [filters.keeps(2, path) for path in ("home/a", "a/home")] == [True, False]


def test_a_filter_is_searched_for_anywhere_in_the_path() -> None:
    assert Filters(["data/o"]).keeps(0, "home/ann/feeds/feed_1/pl-gen_1/data/out.txt")


def test_spaces_around_filters_are_dropped() -> None:
    assert check(r" \.csv$ ,a b , ") == r"\.csv$,a b,"
    assert check("") == ""


@pytest.mark.parametrize("wrong", ["(", "a,*", "[z-a]", "(?P<1>a)", "(?:(?:(?:a{1000}){1000}){1000})"])
def test_what_is_no_regular_expression_is_refused_by_its_own_words(wrong: str) -> None:
    with pytest.raises(ValueError, match="Invalid regular expression"):
        check(wrong)


def test_an_evil_filter_is_stopped_in_time() -> None:
    start = time.monotonic()
    with pytest.raises(Permanent, match="takes too long"):
        Filters([r"(a|aa)+$"], left=0.2).keeps(0, "a" * 5000 + "!")
    assert time.monotonic() - start < SECONDS
