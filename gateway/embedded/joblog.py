"""The log of a plugin: all that it prints, in order, readable while it runs, and bounded.

It lies in segments named by their number (`log.0`, `log.1`, ...), each of SEGMENT bytes. The first is kept, and of the
others the newest two: so the reader always has the first and the last SEGMENT bytes, and knows how much lies between.
"""

from __future__ import annotations

import os
from pathlib import Path

SEGMENT = 8 << 20


class JobLog:
    """Writes the log of one pod into its run directory."""

    def __init__(self, folder: Path, *, segment: int = SEGMENT) -> None:
        self.folder, self.segment = folder, segment
        self.number, self.room = 0, segment
        self.file = self._open(0)

    def write(self, data: bytes) -> None:
        """Append; what goes past the end of a segment begins the next one."""
        view = memoryview(data)
        while len(view):
            if not self.room:
                self._turn()
            written = os.write(self.file, view[: self.room])
            self.room -= written
            view = view[written:]

    def close(self) -> None:
        os.close(self.file)

    def _open(self, number: int) -> int:
        return os.open(self.folder / f"log.{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _turn(self) -> None:
        os.close(self.file)
        self.number, self.room = self.number + 1, self.segment
        self.file = self._open(self.number)
        if self.number > 2:
            (self.folder / f"log.{self.number - 2}").unlink(missing_ok=True)


def read(folder: Path, *, segment: int = SEGMENT) -> bytes:
    """The log as far as it is kept; empty if there is none. A line in the middle tells how much was cut out."""
    head = _bytes(folder / "log.0")
    numbers = sorted(int(path.suffix[1:]) for path in folder.glob("log.*") if path.name != "log.0")
    if not numbers:
        return head
    rest = b"".join(_bytes(folder / f"log.{number}") for number in numbers[-2:])
    cut = (numbers[-2:][0] - 1) * segment + max(0, len(rest) - segment)
    return head + (_notice(cut) if cut else b"") + rest[-segment:]


def _notice(cut: int) -> bytes:
    return f"\n[... {cut} bytes were cut out here: the log keeps its beginning and its end ...]\n".encode()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
