"""Request bodies as they come off a connection: streamed, never kept, and known to be whole or broken off.

They take the place of cheroot's own, which hold a chunk of any size in memory, take a client that breaks off for the
end of the body, and leave trailers on the connection.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from werkzeug.exceptions import BadRequest, ClientDisconnected

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(;[^\r\n]*)?\r\n")
LONGEST_LINE = 4096
MOST_TRAILERS = 64


class Input(Protocol):
    """The reading end of a connection."""

    def readinto1(self, buffer: WriteableBuffer, /) -> int: ...
    def readline(self, size: int = -1, /) -> bytes: ...


class Body(io.RawIOBase):
    """The body of one request. `begin` is called before the first read: it may ask the client to go on.

    Raises ClientDisconnected (400) if the client breaks off, BadRequest if it breaks the rules of HTTP.
    """

    def __init__(self, source: Input, begin: Callable[[], None]) -> None:
        self.source = source
        self._begin: Callable[[], None] | None = begin

    @property
    def finished(self) -> bool:
        """Whether the connection stands at the end of this body."""
        raise NotImplementedError

    @property
    def begun(self) -> bool:
        return self._begin is None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._begin is not None and not self.finished:
            begin, self._begin = self._begin, None
            begin()
        view = memoryview(buffer).cast("B")
        return 0 if self.finished or not view else self._fill(view)

    def _fill(self, view: memoryview) -> int:
        raise NotImplementedError

    def _take(self, view: memoryview) -> int:
        count = self.source.readinto1(view)
        if not count:
            raise ClientDisconnected
        return count


class SizedBody(Body):
    """A body of Content-Length bytes."""

    def __init__(self, source: Input, begin: Callable[[], None], size: int) -> None:
        super().__init__(source, begin)
        self.left = size

    @property
    def finished(self) -> bool:
        return self.left == 0

    def _fill(self, view: memoryview) -> int:
        count = self._take(view[: self.left])
        self.left -= count
        return count


class ChunkedBody(Body):
    """A body in Transfer-Encoding: chunked (RFC 9112, section 7.1); extensions and trailers are read and dropped."""

    def __init__(self, source: Input, begin: Callable[[], None]) -> None:
        super().__init__(source, begin)
        self._left, self._ended = 0, False

    @property
    def finished(self) -> bool:
        return self._ended

    def _fill(self, view: memoryview) -> int:
        if self._left == 0:
            self._left = self._read_size()
            if self._left == 0:
                self._skip_trailers()
                return 0
        count = self._take(view[: self._left])
        self._left -= count
        if self._left == 0 and self._read_line() != b"\r\n":
            raise BadRequest("A chunk of the request body is longer than it says.")
        return count

    def _read_size(self) -> int:
        match = SIZE_LINE.fullmatch(self._read_line())
        if match is None:
            raise BadRequest("The request body has a chunk without a size.")
        return int(match[1], 16)

    def _skip_trailers(self) -> None:
        for _ in range(MOST_TRAILERS):
            if self._read_line() == b"\r\n":
                self._ended = True
                return
        raise BadRequest(f"The request body has more than {MOST_TRAILERS} trailers.")

    def _read_line(self) -> bytes:
        line = self.source.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            if len(line) < LONGEST_LINE:
                raise ClientDisconnected
            raise BadRequest("The request body has a line that is too long.")
        return line
