"""Which bytes a Range header asks for, and what a download is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from gateway.api.ranges import Span, Unsatisfiable, disposition, read_range


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-4", 2, 5),
        ("bytes=7-", 7, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-99", 0, 10),
        ("bytes=5-99", 5, 10),
    ],
)
def test_one_span_is_cut_to_the_file(header: str, start: int, stop: int) -> None:
    span = read_range(header, 10)
    assert span == Span(start, stop, 10)
    assert span.content_range == f"bytes {start}-{stop - 1}/10"


@pytest.mark.parametrize("header", ["", "bytes=", "bytes=-", "bytes=4-2", "lines=1-2", "bytes=0-1,3-4", "bytes=a-b"])
def test_what_we_do_not_follow_is_answered_with_the_whole_file(header: str) -> None:
    assert read_range(header, 10) is None


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)])
def test_bytes_that_are_not_there_are_unsatisfiable(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        read_range(header, size)


@given(st.text(max_size=80))
def test_a_filename_comes_back_from_its_header(name: str) -> None:
    name = "".join(sign for sign in name if sign.isprintable()) or "x"
    header = disposition(name)
    header.encode("latin-1")
    assert "\r" not in header and "\n" not in header
    kind, options = parse_options_header(header)
    assert kind == "attachment"
    assert options["filename"] == name
