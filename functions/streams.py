"""Bodies that come as streams, cut into parts. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO


class Count:
    """Counts bytes that pass."""

    total = 0

    def over(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        for part in parts:
            self.total += len(part)
            yield part


def read_fully(body: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes; fewer only at the end, though a stream may hand out less at a time."""
    got = []
    while size > 0 and (chunk := body.read(size)):
        got.append(chunk)
        size -= len(chunk)
    return b"".join(got)


def parts_of(body: BinaryIO, size: int) -> Iterator[bytes]:
    """The rest of a stream in pieces of `size` bytes; the last may be smaller."""
    while part := read_fully(body, size):
        yield part
