"""What stage-out has done so far, on disk, so that it goes on where it was killed.

Two files in a scratch folder: the manifest as it grows, batch by batch in the order of the harvest, and a journal of
the batch in flight. So memory stays flat, and as many files of the harvest are done as the manifest has lines.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from functions.movers.disk import feed, write_all
from functions.records import Output

Note = dict[str, Any]
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC


class Ledger:
    """The manifest and the journal in `folder`. Adding notes is safe for threads."""

    def __init__(self, folder: str) -> None:
        self.manifest = os.path.join(folder, "manifest.ndjson")
        self.diary = os.path.join(folder, "journal.ndjson")
        self.lines = os.open(self.manifest, FLAGS | os.O_CREAT, 0o600)
        fcntl.flock(self.lines, fcntl.LOCK_EX)  # an uploader whose supervisor was killed may need a moment to die
        self.journal = -1
        with suppress(FileNotFoundError):  # it comes to be with its first note: a small job has none
            self.journal = os.open(self.diary, FLAGS)
        self.lock = threading.Lock()
        self.repair()

    def close(self) -> None:
        os.close(self.lines)
        if self.journal >= 0:
            os.close(self.journal)

    def repair(self) -> None:
        """Cut off a line that was only half written."""
        size = os.fstat(self.lines).st_size
        while size and os.pread(self.lines, 1, size - 1) != b"\n":
            size -= 1
        os.ftruncate(self.lines, size)

    def outputs(self) -> Iterator[Output]:
        with open(self.manifest, "rb") as file:
            for line in file:
                yield Output(**json.loads(line))

    def cut(self, count: int) -> None:
        """Keep only the first lines."""
        with open(self.manifest, "rb") as file:
            size = sum(len(next(file)) for _ in range(count))
        os.ftruncate(self.lines, size)

    def append(self, outputs: Iterable[Output]) -> None:
        """A batch is done: its lines join the manifest, and its notes are forgotten."""
        lines = [json.dumps(asdict(output), separators=(",", ":"), ensure_ascii=False) + "\n" for output in outputs]
        write_all(self.lines, memoryview("".join(lines).encode()))
        if self.journal >= 0:
            os.ftruncate(self.journal, 0)

    def note(self, value: Note) -> None:
        line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            if self.journal < 0:
                self.journal = os.open(self.diary, FLAGS | os.O_CREAT, 0o600)
            write_all(self.journal, memoryview(line))

    def notes(self) -> Iterator[Note]:
        """The notes of the batch in flight; the last may be torn."""
        content = bytearray()
        if self.journal >= 0:
            feed(self.journal, content.extend)
        for line in content.split(b"\n")[:-1]:
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def seal(self) -> tuple[str, int]:
        """The SHA-256 of the manifest in hex, and its size in bytes."""
        hasher = hashlib.sha256()
        size = feed(self.lines, hasher.update)
        return hasher.hexdigest(), size
