"""The ObjectStore port: the few things that Chrysalis asks of a store of objects.

A store holds bytes under keys. It knows no users, paths or jobs. Two real ones stand behind this port: `DirectoryStore`
(`objects_directory.py`, plain files) and `S3Store` (`objects_s3.py`). Both pass the same tests.
Outside errors become `Permanent` or `Temporary` inside the store; `Missing` is the one that callers decide on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal, Protocol

from functions.errors import Permanent

Audience = Literal["functions", "pods", "browsers"]
"""Who will use a URL: each has its own endpoint of the store, since the host is part of what is signed."""


class Missing(Permanent):
    """There is no object under this key (or not this version of it)."""

    def __init__(self, key: str) -> None:
        super().__init__(f"There is no object {key!r} in the store.")
        self.key = key


@dataclass(frozen=True)
class ObjectInfo:
    """What a store tells of an object. `size` in bytes; `etag` without quotes; `version` empty without versioning."""

    key: str
    size: int
    etag: str
    version: str = ""
    modified: datetime | None = None


@dataclass(frozen=True)
class Body:
    """The bytes of an object (or a range of them), in chunks, with what the store tells of the whole object."""

    info: ObjectInfo
    chunks: Iterator[bytes]

    def read(self) -> bytes:
        return b"".join(self.chunks)


@dataclass(frozen=True)
class Page:
    """One page of a listing. `after` asks for the next page (it need not be a key); None: there is none.

    Keys come in the order of their UTF-8 bytes where the store keeps to that (SeaweedFS goes folder by folder).

    `folders` holds common prefixes (each ends in "/") and is filled only by a folder-wise listing.
    """

    objects: tuple[ObjectInfo, ...]
    folders: tuple[str, ...] = ()
    after: str | None = None


class ObjectStore(Protocol):
    """A bucket, or one prefix of it. Keys are relative to it, non-empty, at most 1,024 bytes of UTF-8."""

    name: str
    """What to call the store in a sentence to its operator."""

    def head(self, key: str) -> ObjectInfo:
        """What the store tells of an object. Raises Missing."""

    def get(self, key: str, *, start: int = 0, stop: int | None = None) -> Body:
        """Bytes `start` to `stop` (not included; None: the end). Raises Missing at the call, not while reading."""

    def put(self, key: str, body: bytes | BinaryIO) -> ObjectInfo:
        """Store an object, whole or not at all; an object that was there is replaced. Streams: memory stays flat."""

    def create(self, key: str, body: bytes) -> ObjectInfo | None:
        """Conditional create (`If-None-Match: *`): None if the key is taken. Of racing callers exactly one wins."""

    def delete(self, key: str) -> None:
        """Remove an object; no error if there is none."""

    def list(self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False) -> Page:
        """Objects whose keys begin with `prefix` and come after `after`; with `folders`, one level ("/") only."""


class UrlStore(Protocol):
    """A store whose objects can be reached by URLs that carry their own permission.

    DirectoryStore answers `file://` URLs, of use only to a pod on the same machine. `seconds` is how long a URL works.
    """

    part_bytes: int
    """Larger objects are uploaded in parts of this size."""

    def get_url(
        self, key: str, *, audience: Audience, seconds: int = 3600, version: str = "", filename: str = ""
    ) -> str:
        """A URL that reads one object; with `filename`, as an attachment of that name."""

    def put_url(self, key: str, *, audience: Audience, seconds: int = 3600) -> str:
        """A URL that writes one object with a single PUT."""

    def begin_parts(self, key: str) -> str:
        """Begin an upload in parts; answers its id."""

    def part_url(self, key: str, upload: str, number: int, *, audience: Audience, seconds: int = 3600) -> str:
        """A URL that writes part `number` (from 1); the answer to that PUT carries the part's ETag."""

    def finish_parts(self, key: str, upload: str, etags: Sequence[str]) -> ObjectInfo:
        """Join the parts. Safe to repeat after a lost answer."""

    def abort_parts(self, key: str, upload: str) -> None:
        """Forget an upload in parts; no error if there is none."""


class Store(ObjectStore, UrlStore, Protocol):
    """What the functions and the gateway are given."""
