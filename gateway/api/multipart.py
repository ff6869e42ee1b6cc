"""A multipart body (RFC 7578) as a stream of parts: a file is never held in memory, and is read once, as it was sent.

Werkzeug's decoder is not used: where a piece of the body ends inside the closing boundary, it adds a byte to the file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any, Protocol

from werkzeug.http import parse_options_header

from gateway.api.errors import TooLarge, Unreadable

CHUNK_BYTES = 256 * 1024
FIELD_BYTES = 1024 * 1024
"""The most that all text fields of a request may hold together."""
HEADER_BYTES = 16 * 1024
"""The most that the headers of a part may hold."""
MOST_PARTS = 1000
BROKEN = "The upload broke off before its end. Send it again."
MALFORMED = "Multipart form parse error - a part does not begin with a Content-Disposition that names it."


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class FilePart(io.RawIOBase):
    """The bytes of one file as they arrive, measured on the way: `size` in bytes, `digest` (SHA-256, hex)."""

    def __init__(self, field: str, filename: str, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self.field = field
        self.filename = filename
        self.size = 0
        self._chunks = chunks
        self._hash = hashlib.sha256()
        self._rest = b""

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._next(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes; b"" at the end. Raises Unreadable if the body breaks off."""
        return self.readall() if size is None or size < 0 else self._next(size)

    def drain(self) -> None:
        """Pass over what is left of the file."""
        while self._next(CHUNK_BYTES):
            pass

    def _next(self, size: int) -> bytes:
        if not self._rest:
            self._rest = next(self._chunks, b"")
            self._hash.update(self._rest)
            self.size += len(self._rest)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


Part = tuple[str, str] | FilePart
"""A text field (name, value), or a file."""


class Lines:
    """The body cut at its delimiter: what stands before it in pieces, and the line behind it."""

    def __init__(self, stream: Readable, boundary: bytes) -> None:
        self._stream = stream
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter has no line before it.
        self._buffer = b"\r\n"

    def contents(self) -> Iterator[bytes]:
        """Everything from the next line up to the next delimiter, which is taken too. Raises Unreadable if none comes.

        An empty part may be told without the end of the empty line: it is the delimiter's beginning then.
        """
        while len(self._buffer) < len(self._delimiter):
            self._fill()
        if not self._buffer.startswith(self._delimiter):
            self._take(2)
        kept = len(self._delimiter) - 1
        while (end := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > kept:
                yield self._take(len(self._buffer) - kept)
            self._fill()
        if end:
            yield self._take(end)
        self._take(len(self._delimiter))

    def line(self) -> bytes:
        """The rest of the line."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > HEADER_BYTES:
                raise TooLarge(f"The headers of a part hold more than {HEADER_BYTES} bytes.")
            self._fill()
        line = self._take(end)
        self._take(2)
        return line

    def at_empty_line(self) -> bool:
        """Does an empty line come next? Its end is left where it is."""
        return self._next_two() == b"\r\n"

    def at_end(self) -> bool:
        """Was the delimiter the last one?"""
        return self._next_two() == b"--"

    def _next_two(self) -> bytes:
        while len(self._buffer) < 2:
            self._fill()
        return self._buffer[:2]

    def _take(self, size: int) -> bytes:
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        return piece

    def _fill(self) -> None:
        try:
            piece = self._stream.read(CHUNK_BYTES)
        except OSError as error:
            raise Unreadable(BROKEN) from error
        if not piece:
            raise Unreadable(BROKEN)
        self._buffer += piece


def read_parts(stream: Readable, content_type: str) -> Iterator[Part]:
    """The parts of a multipart body. Raises Unreadable if it is malformed or breaks off, TooLarge for its text."""
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise Unreadable("Multipart form parse error - Invalid boundary in multipart: None")
    lines = Lines(stream, boundary.encode("latin-1", "replace"))
    for _ in lines.contents():
        pass  # what stands before the first delimiter is no part
    held = 0
    for _ in range(MOST_PARTS):
        if lines.at_end():
            return
        name, filename = read_headers(lines)
        if filename is not None:
            part = FilePart(name, filename, lines.contents())
            yield part
            part.drain()
            continue
        value = read_text(lines, FIELD_BYTES - held)
        held += len(value)
        yield name, value.decode("utf-8", "replace")
    raise TooLarge(f"The form has more than {MOST_PARTS} parts.")


def read_headers(lines: Lines) -> tuple[str, str | None]:
    """The name of a part, and the name of its file if it is one."""
    if lines.line().strip(b" \t"):
        raise Unreadable(MALFORMED)  # the boundary is only the beginning of this line
    options: dict[str, str] = {}
    size = 0
    while not lines.at_empty_line():
        line = lines.line()
        size += len(line)
        if size > HEADER_BYTES:
            raise TooLarge(f"The headers of a part hold more than {HEADER_BYTES} bytes.")
        header, _, value = line.decode("utf-8", "replace").partition(":")
        if header.strip().lower() == "content-disposition":
            options = parse_options_header(value.strip())[1]
    if "name" not in options:
        raise Unreadable(MALFORMED)
    return options["name"], options.get("filename")


def read_text(lines: Lines, most: int) -> bytes:
    value = bytearray()
    for piece in lines.contents():
        value += piece
        if len(value) > most:
            raise TooLarge(f"The text fields of the form hold more than {FIELD_BYTES} bytes.")
    return bytes(value)
