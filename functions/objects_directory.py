"""DirectoryStore: an ObjectStore of plain files that a person can look at.

An object is a file; folders and names are those of its key (`key_names.py` has the few exceptions). What it promises:

- A file appears whole or not at all: it is written in a workshop, put on the disk, and gets its name then. A
  conditional create gives the name by a hard link, which the kernel refuses if the name is taken: one winner, across
  processes too.
- After an answer the object is on the disk. `durable=False` leaves that to the kernel: the death of a process then
  loses nothing, but a power failure may.
- The key "a" and the key "a/b" can both be there. The object "a" then lies in the folder "a"; the file becomes a folder
  in one step (an exchange of two names), so that no reader misses it.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import shutil
import stat as modes
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from functions import key_names, stored_file
from functions.directory_walk import Wanted, level, walk
from functions.errors import Failure, Permanent, Temporary
from functions.objects import Audience, Body, Missing, ObjectInfo, Page

CHUNK = 1 << 20
UPLOAD_SECONDS = 7 * 24 * 3600
"""An upload in parts that nobody has touched for so long is swept."""
TRIES = 100
"""How often a name is tried while others remove the folders on the way to it."""

PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT}
SENTENCES = {
    errno.ENOSPC: "The disk is full: {key!r} could not be stored in {root}. Make room on it and try again.",
    errno.EDQUOT: "The disk quota is used up: {key!r} could not be stored in {root}. Make room and try again.",
    errno.EFBIG: "The file system of {root} takes no file as large as {key!r}.",
    errno.EACCES: "Access to {key!r} in {root} is denied. Give the user of this process the right to that folder.",
    errno.EPERM: "The file system of {root} does not permit this for {key!r}. It must support hard links.",
    errno.EROFS: "{root} is mounted read-only, so {key!r} cannot be stored. Mount it for writing.",
    errno.ENAMETOOLONG: "The path of {key!r} below {root} is too long. Shorten the names of its folders.",
}


class FileChunks(Iterator[bytes]):
    """A part of an open file, chunk by chunk; closes it at the end, or when nobody wants more."""

    def __init__(self, descriptor: int, start: int, stop: int) -> None:
        self.descriptor, self.start, self.stop = descriptor, start, stop

    def __next__(self) -> bytes:
        if self.start >= self.stop:
            self.close()
            raise StopIteration
        chunk = os.pread(self.descriptor, min(CHUNK, self.stop - self.start), self.start)
        if not chunk:
            self.close()
            raise Permanent("A file of the store became shorter while it was read.")
        self.start += len(chunk)
        return chunk

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor, self.start = -1, self.stop

    def __del__(self) -> None:
        self.close()


class DirectoryStore:
    """Objects as files below `root`, which is made if it is not there. Safe for threads and for several processes."""

    part_bytes = 1 << 50
    """A file needs no parts: they only exist so that the port is whole."""

    def __init__(self, root: Path | str, *, name: str = "", durable: bool = True) -> None:
        self.root = Path(root).absolute()
        self.name = name or f"directory {self.root}"
        self.durable = durable
        self._root = os.fsencode(self.root)
        self._workshop = os.path.join(self._root, key_names.WORKSHOP)
        with self._translated(""):
            os.makedirs(self._workshop, stored_file.FOLDER_MODE, exist_ok=True)
            self.sweep()

    # --- ObjectStore ---

    def head(self, key: str) -> ObjectInfo:
        with self._translated(key):
            return told(key, self._stat(self._path(key)))

    def get(self, key: str, *, start: int = 0, stop: int | None = None) -> Body:
        with self._translated(key):
            descriptor, stat = self._open(self._path(key))
        end = stat.st_size if stop is None else min(stop, stat.st_size)
        return Body(told(key, stat), FileChunks(descriptor, max(start, 0), end))

    def put(self, key: str, body: bytes | BinaryIO) -> ObjectInfo:
        with self._translated(key):
            path = self._path(key)
            with self._written(body) as draft:
                return told(key, self._name(draft, path, os.rename))

    def create(self, key: str, body: bytes) -> ObjectInfo | None:
        with self._translated(key):
            path = self._path(key)
            with suppress(FileNotFoundError, NotADirectoryError):
                self._stat(path)
                return None
            with self._written(body) as draft, suppress(FileExistsError):
                return told(key, self._name(draft, path, os.link))
            return None

    def delete(self, key: str) -> None:
        with self._translated(key):
            path = self._path(key)
            for place in (path, os.path.join(path, key_names.SELF)):
                try:
                    os.unlink(place)
                except (FileNotFoundError, NotADirectoryError):
                    return
                except (IsADirectoryError, PermissionError):  # macOS answers EPERM to the unlinking of a folder
                    if not os.path.isdir(place):
                        raise
                else:
                    self._prune(os.path.dirname(place))
                    return

    def list(self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False) -> Page:
        base = prefix[: prefix.rfind("/") + 1]
        folder = os.path.join(self._root, key_names.folder_of(base))
        wanted = Wanted(prefix.encode(), after.encode())
        with self._translated(prefix):
            found: Iterator[tuple[bytes, os.stat_result | None]]
            found = (level if folders else walk)(folder, base.encode(), wanted)
            rows = [(key.decode(), stat) for key, stat in islice(found, limit + 1)]
        page = rows[:limit]
        return Page(
            tuple(told(key, stat) for key, stat in page if stat is not None),
            tuple(key for key, stat in page if stat is None),
            page[-1][0] if len(rows) > limit and page else None,
        )

    # --- UrlStore ---

    def get_url(
        self, key: str, *, audience: Audience, seconds: int = 3600, version: str = "", filename: str = ""
    ) -> str:
        path = self._path(key)
        inner = os.path.join(path, key_names.SELF)
        return stored_file.url_of(inner if os.path.isfile(inner) else path)

    def put_url(self, key: str, *, audience: Audience, seconds: int = 3600) -> str:
        """The URL of a file in a folder that is there."""
        with self._translated(key):
            path = self._path(key)
            self._make_folder(os.path.dirname(path))
            return stored_file.url_of(os.path.join(path, key_names.SELF) if os.path.isdir(path) else path)

    def begin_parts(self, key: str) -> str:
        upload = os.urandom(12).hex()
        with self._translated(key):
            os.mkdir(self._upload(upload), stored_file.FOLDER_MODE)
        return upload

    def part_url(self, key: str, upload: str, number: int, *, audience: Audience, seconds: int = 3600) -> str:
        return stored_file.url_of(self._part(upload, number))

    def finish_parts(self, key: str, upload: str, etags: Sequence[str]) -> ObjectInfo:
        """The upload's folder stays as a memory of what was made of it, until it is swept."""
        done = os.path.join(self._upload(upload), b"done")
        with self._translated(key):
            if not os.path.exists(done):
                self._check_parts(key, upload, etags)
                with self._written(self._joined(upload, len(etags))) as draft:
                    os.link(draft, done)
            with suppress(FileExistsError):
                self._name(done, self._path(key), os.link)
            return self.head(key)

    def abort_parts(self, key: str, upload: str) -> None:
        shutil.rmtree(self._upload(upload), ignore_errors=True)

    # --- repair ---

    def sweep(self) -> int:
        """Remove what dead writers and forgotten uploads have left; answers how many."""
        swept = stored_file.sweep(self._workshop)
        with os.scandir(self._workshop) as entries:
            uploads = [entry for entry in entries if entry.is_dir()]
        for entry in uploads:
            with suppress(FileNotFoundError):
                if time.time() - entry.stat().st_mtime > UPLOAD_SECONDS:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    swept += 1
        return swept

    # --- paths ---

    def _path(self, key: str) -> bytes:
        key_names.check(key)
        return os.path.join(self._root, key_names.path_of(key))

    def _upload(self, upload: str) -> bytes:
        if not upload.isalnum():
            raise Permanent(f"{upload!r} is no upload of this store.")
        return os.path.join(self._workshop, upload.encode())

    def _part(self, upload: str, number: int) -> bytes:
        return os.path.join(self._upload(upload), str(number).encode())

    def _stat(self, path: bytes) -> os.stat_result:
        """The stat of an object, which lies at its path or in the folder of that name."""
        stat = os.lstat(path)
        if modes.S_ISDIR(stat.st_mode):
            stat = os.lstat(os.path.join(path, key_names.SELF))
        if not modes.S_ISREG(stat.st_mode):
            raise FileNotFoundError(errno.ENOENT, "no object")
        return stat

    def _open(self, path: bytes) -> tuple[int, os.stat_result]:
        for place in (path, os.path.join(path, key_names.SELF)):
            try:
                descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ELOOP:  # a link is not ours
                    raise
                break
            stat = os.fstat(descriptor)
            if modes.S_ISREG(stat.st_mode):
                return descriptor, stat
            os.close(descriptor)
            if not modes.S_ISDIR(stat.st_mode):
                break
        raise FileNotFoundError(errno.ENOENT, "no object")

    # --- writing ---

    @contextmanager
    def _written(self, body: bytes | BinaryIO | Iterator[bytes]) -> Iterator[bytes]:
        """The path of a draft that holds `body`, on the disk."""
        with stored_file.draft(self._workshop) as (descriptor, path):
            for chunk in chunks(body):
                view = memoryview(chunk)
                while view:
                    view = view[os.write(descriptor, view) :]
            stored_file.stamp(descriptor)
            if self.durable:
                stored_file.sync(descriptor)
            yield path

    def _name(self, draft: bytes, path: bytes, give: Callable[[bytes, bytes], None]) -> os.stat_result:
        """Give a draft its name, by rename (replaces) or link (raises FileExistsError if the object is there)."""
        stat = os.lstat(draft)
        place = path
        for _ in range(TRIES):
            try:
                give(draft, place)
            except (FileNotFoundError, NotADirectoryError):
                place = path
                self._make_folder(os.path.dirname(path))
            except (FileExistsError, IsADirectoryError):
                if not os.path.isdir(place):
                    raise
                place = os.path.join(path, key_names.SELF)
            else:
                self._sync_folder(os.path.dirname(place))
                return stat
        raise Temporary(f"The folder of {path.decode(errors='replace')} is removed again and again; try again later.")

    def _make_folder(self, folder: bytes) -> None:
        """Make a folder and those above it. A file in its place becomes an object that lies in it.

        It is not put on the disk here: a journal (ext4, XFS, Btrfs) keeps the order, so the sync of what is put into it
        keeps it too; and a sync costs milliseconds.
        """
        try:
            os.mkdir(folder, stored_file.FOLDER_MODE)
        except FileExistsError:
            if not os.path.isdir(folder):
                self._unfold(folder)
        except (FileNotFoundError, NotADirectoryError):
            if len(folder) <= len(self._root):
                raise self._gone() from None
            self._make_folder(os.path.dirname(folder))
            self._make_folder(folder)

    def _unfold(self, path: bytes) -> None:
        """Turn the file of an object into a folder that holds it, in one step."""
        from functions.name_exchange import exchange

        with self._locked(), suppress(FileNotFoundError, NotADirectoryError):
            if os.path.isdir(path):  # another was quicker
                return
            box = os.path.join(self._workshop, os.urandom(12).hex().encode())
            inner = os.path.join(path, key_names.SELF)
            os.mkdir(box, stored_file.FOLDER_MODE)
            try:
                os.link(path, os.path.join(box, key_names.SELF))
                exchange(box, path)
                if os.path.isdir(box):  # somebody made a folder of that name meanwhile: give it back
                    exchange(box, path)
                elif not os.path.samefile(box, inner):  # somebody replaced the object meanwhile
                    os.rename(box, inner)
                self._sync_folder(os.path.dirname(path))
            finally:
                with suppress(OSError):
                    shutil.rmtree(box) if os.path.isdir(box) else os.unlink(box)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time turns files into folders."""
        descriptor = os.open(os.path.join(self._workshop, b"lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _prune(self, folder: bytes) -> None:
        """Remove a folder and those above it as long as they are empty: a store has no empty folders."""
        with suppress(OSError):
            while len(folder) > len(self._root):
                os.rmdir(folder)
                folder = os.path.dirname(folder)
        self._sync_folder(folder)

    def _sync_folder(self, folder: bytes) -> None:
        if self.durable:
            stored_file.sync_folder(folder)

    # --- parts ---

    def _check_parts(self, key: str, upload: str, etags: Sequence[str]) -> None:
        for number, expected in enumerate(etags, 1):
            try:
                found = stored_file.etag(os.lstat(self._part(upload, number)))
            except FileNotFoundError as error:
                raise Permanent(f"Part {number} of {key!r} was not uploaded, or the upload was given up.") from error
            if found != expected:
                raise Permanent(f"Part {number} of {key!r} is not the one that was uploaded; upload it again.")

    def _joined(self, upload: str, count: int) -> Iterator[bytes]:
        for number in range(1, count + 1):
            with open(self._part(upload, number), "rb") as part:
                yield from chunks(part)

    # --- errors ---

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if not os.path.isdir(self._workshop):
                raise self._gone() from error
            raise Missing(key) from error
        except OSError as error:
            raise self._failure(error, key) from error

    def _gone(self) -> Permanent:
        return Permanent(f"The {self.name} has gone while it was in use. Bring it back, then start again.")

    def _failure(self, error: OSError, key: str) -> Failure:
        code = error.errno or 0
        if code in PASSING:
            return Temporary(f"The {self.name} cannot be used right now ({os.strerror(code)}); try again later.")
        sentence = SENTENCES.get(code, "{key!r} could not be stored in or read from {root}: {reason}.")
        return Permanent(sentence.format(key=key, root=self.root, reason=os.strerror(code)))


def told(key: str, stat: os.stat_result) -> ObjectInfo:
    """What a stat tells of an object."""
    modified = datetime.fromtimestamp(stat.st_mtime, UTC)
    return ObjectInfo(key, stat.st_size, stored_file.etag(stat), modified=modified)


def chunks(body: bytes | BinaryIO | Iterator[bytes]) -> Iterator[bytes]:
    """The pieces of a body. A file is an iterator too, of lines: it must be read, not iterated."""
    if isinstance(body, bytes):
        yield body
    elif isinstance(body, io.IOBase) or not isinstance(body, Iterator):
        while chunk := body.read(CHUNK):
            yield chunk
    else:
        yield from body
