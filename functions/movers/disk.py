"""The disk of a pod: folders that nothing may leave, and what its errors mean for a user."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from functions.errors import Failure, Permanent, Temporary

CHUNK = 256 * 1024
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.EINTR}
MOST_KNOWN = 50_000
"""Folders that are remembered as made; more would make memory grow with the inputs."""


def explain(error: OSError, subject: str) -> Failure:
    """The failure that an error of the disk means; `subject` names the file in the sentence."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in FULL:
        return Permanent(f"The disk is full ({reason}): there is no room for {subject}. Give the job more disk.")
    if error.errno in SHORT:
        return Temporary(f"The machine is short of resources ({reason}) for {subject}.")
    return Permanent(f"The disk does not take or give {subject}: {reason}.")


@contextmanager
def explained(subject: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise explain(error, subject) from error


def check_relative(path: str) -> bytes:
    """The path as bytes of UTF-8. Raises Permanent if it is not plainly below the folder that it is relative to."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path:
        raise Permanent(f"The path {path!r} of an input is refused: it is not plainly inside of the input folder.")
    try:
        return path.encode()
    except UnicodeEncodeError as error:
        raise Permanent(f"The path {path!r} of an input is refused: it is not UTF-8.") from error


class Folder:
    """A folder into which files are put by relative paths; none of them leaves it, also not through a link."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(os.fsencode(root))
        self.known: set[bytes] = {b""}

    def place(self, path: str) -> bytes:
        """The absolute path for a file; the folders above it are made. Raises Permanent."""
        relative = check_relative(path)
        parent = os.path.dirname(relative)
        if parent not in self.known:
            with explained(f"the input {path!r}"):
                self.make(parent, path)
        return os.path.join(self.root, relative)

    def make(self, parent: bytes, path: str) -> None:
        made = self.root
        for part in parent.split(b"/"):
            made = os.path.join(made, part)
            try:
                os.mkdir(made, 0o755)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(made).st_mode):
                    raise Permanent(f"The input {path!r} is refused: something on its way is no folder.") from None
        if len(self.known) < MOST_KNOWN:
            self.known.add(parent)


def open_regular(path: bytes) -> int:
    """A descriptor to read a regular file; links are not followed and nothing is waited for. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor


def feed(descriptor: int, take: Callable[[memoryview], Any], start: int = 0, length: int | None = None) -> int:
    """Hand the bytes of a file to `take`, chunk by chunk in one buffer; answers how many there were."""
    view = memoryview(bytearray(CHUNK))
    place = start
    while length is None or place < start + length:
        most = CHUNK if length is None else min(CHUNK, start + length - place)
        count = os.preadv(descriptor, [view[:most]], place)
        if not count:
            break
        take(view[:count])
        place += count
    return place - start


def write_all(descriptor: int, chunk: memoryview) -> None:
    while chunk:
        chunk = chunk[os.write(descriptor, chunk) :]
