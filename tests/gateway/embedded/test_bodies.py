"""Request bodies: in whatever pieces they come, the application reads the same bytes, or hears of the break."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import BadRequest, ClientDisconnected

from gateway.embedded.bodies import Body, ChunkedBody, SizedBody

CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
NEXT = b"GET /next HTTP/1.1\r\n"


def source(wire: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(wire), 16)  # type: ignore[arg-type]


def encode(chunks: list[bytes], *, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    return body + b"0\r\n" + trailers + b"\r\n"


def read(body: Body, size: int) -> bytes:
    got = b""
    while piece := body.read(size):
        got += piece
    return got


@given(
    CHUNKS, st.integers(1, 50), st.sampled_from([b"", b";a=b", b"  ;q"]), st.sampled_from([b"", b"A: b\r\nC: d\r\n"])
)
def test_chunks_come_out_as_they_went_in(chunks: list[bytes], size: int, extension: bytes, trailers: bytes) -> None:
    stream = source(encode(chunks, extension=extension, trailers=trailers) + NEXT)
    body = ChunkedBody(stream, lambda: None)
    assert read(body, size) == b"".join(chunks)
    assert body.finished
    assert stream.read() == NEXT, "the next request begins where the body ends"


@given(st.binary(max_size=200), st.integers(1, 50))
def test_a_sized_body_ends_at_its_size(content: bytes, size: int) -> None:
    stream = source(content + NEXT)
    body = SizedBody(stream, lambda: None, len(content))
    assert read(body, size) == content
    assert body.finished
    assert stream.read() == NEXT


@given(CHUNKS, st.data())
def test_a_chunked_body_that_is_cut_off_is_never_taken_for_whole(chunks: list[bytes], data: st.DataObject) -> None:
    wire = encode(chunks)
    cut = data.draw(st.integers(0, len(wire) - 1))
    body = ChunkedBody(source(wire[:cut]), lambda: None)
    with pytest.raises(ClientDisconnected):
        read(body, 7)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_sized_body_that_is_cut_off_is_never_taken_for_whole(content: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(ClientDisconnected):
        read(SizedBody(source(content[:cut]), lambda: None, len(content)), 7)


@given(st.binary(max_size=60))
def test_any_nonsense_is_a_body_or_a_bad_request(wire: bytes) -> None:
    body = ChunkedBody(source(wire), lambda: None)
    try:
        read(body, 7)
    except BadRequest:  # ClientDisconnected is one
        return
    assert body.finished


@pytest.mark.parametrize(
    "wire",
    [
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5\nhello\r\n",
        b"\r\n",
        b"5\r\nhello!\r\n",
        b"f" * 17 + b"\r\n",
    ],
)
def test_a_size_that_others_might_read_otherwise_is_refused(wire: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read(ChunkedBody(source(wire + b"0\r\n\r\n"), lambda: None), 100)
    assert not isinstance(caught.value, ClientDisconnected)


@pytest.mark.parametrize("wire", [b"1" * 5000, b"0\r\n" + b"a: b\r\n" * 100 + b"\r\n"])
def test_endless_lines_and_trailers_are_refused(wire: bytes) -> None:
    with pytest.raises(BadRequest):
        read(ChunkedBody(source(wire), lambda: None), 100)


def test_the_client_is_asked_to_go_on_once_and_only_for_a_body() -> None:
    asked: list[str] = []
    body = SizedBody(source(b"ab"), lambda: asked.append("go on"), 2)
    assert asked == []
    assert read(body, 1) == b"ab"
    assert read(SizedBody(source(b""), lambda: asked.append("empty"), 0), 1) == b""
    assert asked == ["go on"]
