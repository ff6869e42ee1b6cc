"""Which bytes of a file a client asks for (RFC 9110, section 14), and what a download is called. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*")


@dataclass(frozen=True)
class Span:
    """Bytes `start` to `stop` (not included) of `size`."""

    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


class Unsatisfiable(ValueError):
    """The file has none of the bytes that are asked for."""


def read_range(header: str, size: int) -> Span | None:
    """The one span that a Range header asks for; None: the whole file.

    Several spans, other units and malformed headers are answered with the whole file, as the standard allows.
    Raises Unsatisfiable.
    """
    match = RANGE.fullmatch(header)
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= stop:
        raise Unsatisfiable
    return Span(start, stop, size)


def disposition(filename: str) -> str:
    """`Content-Disposition` for a download: plain for ASCII, with RFC 8187's `filename*` for every other name."""
    printable = "".join(sign if sign.isprintable() and sign.isascii() else "_" for sign in filename)
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    plain = f'attachment; filename="{escaped}"'
    return plain if printable == filename else f"{plain}; filename*=UTF-8''{quote(filename, safe='')}"
