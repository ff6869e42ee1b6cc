"""A multipart body as a stream of parts: a file is never held in memory, and is read once, in the order it was sent."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any, Protocol

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from gateway.api.errors import TooLarge, Unreadable

CHUNK_BYTES = 256 * 1024
FIELD_BYTES = 1024 * 1024
"""The most that all text fields of a request may hold together."""


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


def read_parts(stream: Readable, content_type: str) -> Iterator[Part]:
    """The parts of a multipart body. Raises Unreadable if it is malformed or breaks off, TooLarge for its text."""
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise Unreadable("Multipart form parse error - Invalid boundary in multipart: None")
    events = _events(stream, MultipartDecoder(boundary.encode(), FIELD_BYTES + CHUNK_BYTES, max_parts=1000))
    held = 0
    for event in events:
        if isinstance(event, File):
            part = FilePart(event.name, event.filename, _contents(events))
            yield part
            part.drain()
        elif isinstance(event, Field):
            value = _collect(events, FIELD_BYTES - held)
            held += len(value)
            yield event.name, value.decode("utf-8", "replace")


def _contents(events: Iterator[Event]) -> Iterator[bytes]:
    for event in events:
        if isinstance(event, Data):
            if event.data:
                yield event.data
            if not event.more_data:
                return


def _collect(events: Iterator[Event], most: int) -> bytes:
    value = bytearray()
    for chunk in _contents(events):
        value += chunk
        if len(value) > most:
            raise TooLarge(f"The text fields of the form hold more than {FIELD_BYTES} bytes.")
    return bytes(value)


def _events(stream: Readable, decoder: MultipartDecoder) -> Iterator[Event]:
    try:
        while True:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                # An empty read is the end: the decoder complains if the closing boundary has not come.
                decoder.receive_data(stream.read(CHUNK_BYTES) or None)
                continue
            yield event
            if isinstance(event, Epilogue):
                return
    except RequestEntityTooLarge as error:
        raise TooLarge("The form has too many parts, or too large headers.") from error
    except (ValueError, OSError) as error:
        raise Unreadable("The upload broke off before its end. Send it again.") from error
