"""One file of a DirectoryStore, as the store and the movers beside it see it. Standard library only: movers import it.

Both must agree on three things: what the ETag of a file is, how a `file://` URL names it, and how a file comes to stand
under its final name: whole or not at all, even if the power fails.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote_from_bytes, unquote_to_bytes

WORKSHOP = b"%~"
"""The folder in a store's root where files are written before they get their name (see key_names)."""
SCHEME = "file://"
FILE_MODE, FOLDER_MODE = 0o600, 0o700
"""The owner's alone: the files are patients' data."""
GRACE_SECONDS = 60.0
"""A file younger than this may not have been locked yet by its writer."""


def etag(stat: os.stat_result) -> str:
    """The ETag of a file: when it was last written (nanoseconds) and its size.

    It survives a rename, a hard link and a copy that keeps times (a backup); it changes when the bytes are replaced,
    since writers set the time to the nanosecond with `stamp`: the kernel alone counts in ticks of up to 10 ms.
    """
    return f"{stat.st_mtime_ns:x}-{stat.st_size:x}"


def stamp(descriptor: int) -> None:
    """Set the time of a file that has just been written, so that its ETag is new."""
    now = time.time_ns()
    os.utime(descriptor, ns=(now, now))


def url_of(path: bytes) -> str:
    """The `file://` URL of an absolute path."""
    return SCHEME + quote_from_bytes(path)


def path_of(url: str) -> bytes:
    """The absolute path that a `file://` URL names. Raises ValueError if it names none."""
    if not url.startswith(SCHEME + "/"):
        raise ValueError(f"{url!r} is not the URL of a file on this machine")
    return unquote_to_bytes(url[len(SCHEME) :])


def workshop_of(target: bytes) -> bytes:
    """The workshop of the store that `target` lies in; the target's own folder if it lies in none."""
    folder = parent = os.path.dirname(target)
    while True:
        if os.path.isdir(os.path.join(parent, WORKSHOP)):
            return os.path.join(parent, WORKSHOP)
        if parent == os.path.dirname(parent):
            return folder
        parent = os.path.dirname(parent)


@contextmanager
def draft(workshop: bytes) -> Iterator[tuple[int, bytes]]:
    """A new file to write: its descriptor and its path. It is gone afterwards, unless it was renamed.

    The lock on it tells `sweep` that its writer lives.
    """
    path = os.path.join(workshop, b"%~" + os.urandom(12).hex().encode())
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor, path
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(path)


def sync(descriptor: int) -> None:
    """Put the bytes of a file on the disk, and what is needed to read them again."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def sync_folder(path: bytes) -> None:
    """Put the names in a folder on the disk; a folder that has gone needs none."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(workshop: bytes) -> int:
    """Remove drafts whose writers have died; answers how many."""
    swept = 0
    with os.scandir(workshop) as entries:
        drafts = [entry.path for entry in entries if entry.name.startswith(b"%~") and entry.is_file()]
    for path in drafts:
        with suppress(OSError):
            swept += discard(path)
    return swept


def discard(path: bytes) -> bool:
    """Remove a draft if nobody writes it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if time.time() - os.fstat(descriptor).st_ctime < GRACE_SECONDS:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
        return True
    finally:
        os.close(descriptor)
