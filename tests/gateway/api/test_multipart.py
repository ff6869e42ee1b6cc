"""Multipart bodies as streams: cut anywhere, broken off anywhere."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.errors import ApiError, TooLarge, Unreadable
from gateway.api.multipart import FIELD_BYTES, FilePart, read_parts

BOUNDARY = "----frontier"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def body_of(*parts: tuple[str, str | None, bytes]) -> bytes:
    """A body of parts (name, filename, content)."""
    lines = b""
    for name, filename, content in parts:
        extra = f'; filename="{filename}"' if filename is not None else ""
        lines += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode()
        lines += content + b"\r\n"
    return lines + f"--{BOUNDARY}--\r\n".encode()


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, body: bytes, step: int) -> None:
        self.body, self.step = io.BytesIO(body), step

    def read(self, size: int = -1) -> bytes:
        return self.body.read(min(self.step, size))


def test_an_empty_file_may_share_its_line_with_the_boundary() -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="fname"; filename="x"\r\n\r\n--{BOUNDARY}--'
    (part,) = [
        (part.filename, part.read())
        for part in read_parts(io.BytesIO(head.encode()), TYPE)
        if not isinstance(part, tuple)
    ]
    assert part == ("x", b"")


CONTENT = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"--", f"--{BOUNDARY}"[:-1].encode(), b"-"])).map(b"".join),
)


@given(content=CONTENT, step=st.integers(1, 80))
def test_a_file_arrives_whole_however_the_body_is_cut(content: bytes, step: int) -> None:
    body = body_of(("upload_path", None, b"home/anna/x"), ("fname", "x.dcm", content), ("after", None, "ü".encode()))
    seen: list[object] = []
    for part in read_parts(Dribble(body, step), TYPE):
        if isinstance(part, FilePart):
            seen.append((part.field, part.filename, part.read(), part.size, part.digest))
        else:
            seen.append(part)
    digest = hashlib.sha256(content).hexdigest()
    expected = [("upload_path", "home/anna/x"), ("fname", "x.dcm", content, len(content), digest), ("after", "ü")]
    assert seen == expected


def test_a_file_that_nobody_reads_is_passed_over() -> None:
    parts = read_parts(io.BytesIO(body_of(("a", "x", b"1" * 900_000), ("b", None, b"2"))), TYPE)
    assert [part for part in parts if isinstance(part, tuple)] == [("b", "2")]


@given(cut=st.integers(0, 400))
def test_a_body_that_breaks_off_is_never_a_file(cut: int) -> None:
    body = body_of(("upload_path", None, b"home/anna/x"), ("fname", "x", b"0123456789" * 20))
    with pytest.raises(Unreadable, match="broke off"):
        for part in read_parts(io.BytesIO(body[: min(cut, len(body) - 5)]), TYPE):
            if isinstance(part, FilePart):
                part.read()


@pytest.mark.parametrize("media", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_body_without_a_boundary_is_refused(media: str) -> None:
    with pytest.raises(Unreadable):
        list(read_parts(io.BytesIO(b""), media))


def test_text_cannot_take_the_memory() -> None:
    half = b"x" * (FIELD_BYTES // 2 + 1)
    with pytest.raises(TooLarge):
        list(read_parts(io.BytesIO(body_of(("a", None, half), ("b", None, half))), TYPE))
    endless_header = b"--" + BOUNDARY.encode() + b"\r\nContent-Disposition: " + b"x" * (2 * FIELD_BYTES)
    with pytest.raises(TooLarge):
        list(read_parts(io.BytesIO(endless_header), TYPE))


@given(st.binary(max_size=300))
def test_no_body_brings_the_reader_down(body: bytes) -> None:
    try:
        list(read_parts(io.BytesIO(f"--{BOUNDARY}\r\n".encode() + body), TYPE))
    except ApiError as error:
        assert error.status in (400, 413)
