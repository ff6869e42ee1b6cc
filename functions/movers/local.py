"""Moving to and from a store of plain files on the same machine (`file://` URLs), by hard links where that is allowed.

A linked input is checked by size and ETag, which tell whether the file was rewritten; its bytes are not read again, as
none were moved. A copied one is checked by its digest as any other. Outputs are read once, for their digest.
"""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress

from functions import stored_file
from functions.movers.disk import feed, open_regular, write_all

UNLINKABLE = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES}
"""Another file system, not permitted there, too many links, not supported: copy instead."""


def is_local(url: str) -> bool:
    return url.startswith(stored_file.SCHEME)


def link(source: bytes, target: bytes) -> bool:
    """Let `target` be another name of `source`, whatever it was before; False if this must be a copy."""
    workshop = stored_file.workshop_of(target)
    spare = os.path.join(workshop, b"%~" + os.urandom(12).hex().encode())
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if os.path.samefile(source, target):
            return True
        os.link(source, spare, follow_symlinks=False)
        os.replace(spare, target)
    except OSError as error:
        if error.errno not in UNLINKABLE:
            raise
        return False
    return True


def take(source: bytes, target: bytes, *, links: bool) -> tuple[os.stat_result, str]:
    """Bring a file of the store to `target`: its stat in the store, and its digest (empty if it was linked)."""
    descriptor = open_regular(source)
    try:
        stat = os.fstat(descriptor)
        if links and link(source, target):
            return os.lstat(target), ""
        with suppress(FileNotFoundError):
            os.unlink(target)  # it may be a link to an object of the store: never write through it
        return stat, copy(descriptor, target)
    finally:
        os.close(descriptor)


def copy(descriptor: int, target: bytes) -> str:
    """Copy an open file to a new one; answers the digest of what was copied."""
    hasher = hashlib.sha256()
    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)

    def pass_on(chunk: memoryview) -> None:
        hasher.update(chunk)
        write_all(out, chunk)

    try:
        feed(descriptor, pass_on)
    finally:
        os.close(out)
    return hasher.hexdigest()


def give(descriptor: int, source: bytes, target: bytes, *, links: bool, sync: bool) -> tuple[str, str]:
    """Bring an output into the store as `target`; answers its ETag and digest. With `sync`, it is on the disk then.

    A link keeps the time of the file: two outputs may be one file, and a new time would change the other's ETag.
    """
    if links and make_private(descriptor):
        hasher = hashlib.sha256()
        feed(descriptor, hasher.update)
        if link(source, target):
            if sync:
                stored_file.sync(descriptor)
                stored_file.sync_folder(os.path.dirname(target))
            return stored_file.etag(os.fstat(descriptor)), hasher.hexdigest()
    return give_copy(descriptor, target, sync=sync)


def make_private(descriptor: int) -> bool:
    """Give a file the rights that objects have; False if it is somebody else's, so that it cannot become one."""
    try:
        os.fchmod(descriptor, stored_file.FILE_MODE)
    except PermissionError:
        return False
    return True


def give_copy(
    descriptor: int, target: bytes, *, sync: bool, start: int = 0, length: int | None = None
) -> tuple[str, str]:
    """Copy an output, or a part of it, into the store: whole or not at all. Answers its ETag and digest."""
    hasher = hashlib.sha256()
    with stored_file.draft(stored_file.workshop_of(target)) as (out, path):

        def pass_on(chunk: memoryview) -> None:
            hasher.update(chunk)
            write_all(out, chunk)

        feed(descriptor, pass_on, start, length)
        stored_file.stamp(out)
        etag = stored_file.etag(os.fstat(out))
        if sync:
            stored_file.sync(out)
        os.replace(path, target)
    if sync:
        stored_file.sync_folder(os.path.dirname(target))
    return etag, hasher.hexdigest()


def sync_all(place: bytes) -> None:
    """Put on the disk all that was written to the file system of `place`: for many files, quicker than each alone."""
    import ctypes  # takes milliseconds, and few files do not need it

    descriptor = os.open(os.path.dirname(place), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs")
    finally:
        os.close(descriptor)
