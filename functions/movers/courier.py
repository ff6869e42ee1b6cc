"""Sends requests over connections that are kept: one per thread and origin. What may pass is told from what may not.

An answer is Passing (try again), Expired (ask for another URL) or Permanent; `Stopped` is the word of our endpoints
that the job is decided. A store's 404 and 412 are left to the caller, who knows the file's name.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from functions.errors import Failure, Permanent
from functions.movers.patience import Passing, Patience
from functions.movers.wire import Broken, Connection, Response, Target

TRANSIENT = frozenset({408, 425, 429, *range(500, 600)})
PASSING_CODES = (b"RequestTimeout", b"IncompleteBody", b"SlowDown", b"OperationAborted", b"InternalError")
"""Errors of S3 that pass though they may be a 4xx (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
Pour = Callable[[socket.socket], None]


class Stopped(Failure):
    """The job is decided, or another pod has the claim: there is nothing left to do."""


class Expired(Exception):
    """A signed URL opens nothing any more."""


def read_wish(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0


def judge(response: Response, subject: str) -> None:
    """Raises what an answer of a store means for the caller; 2xx, 404, 412 and 416 are the caller's."""
    status = response.status
    if 200 <= status < 300 or status in (404, 412, 416):
        return
    body = response.read()
    if status in TRANSIENT or any(code in body for code in PASSING_CODES):
        raise Passing(f"The store answers {status} for {subject}.", read_wish(response.headers))
    if status in (401, 403):
        raise Expired(f"The store answers {status} for {subject}.")
    raise Permanent(f"The store refuses {subject} with {status}.")


class Courier:
    """Requests over kept connections. Safe for threads: each has its own connections."""

    def __init__(self, patience: Patience, seconds: float = 60.0) -> None:
        self.patience, self.seconds = patience, seconds
        self.local = threading.local()

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        length: int | None = None,
        pour: Pour | None = None,
    ) -> Iterator[Response]:
        """One try; a kept connection that the other side has closed meanwhile is replaced. Raises Passing."""
        target = Target.parse(url)
        try:
            connection, response = self.exchange(method, target, headers or {}, body, length, pour)
            try:
                yield response
                if 200 <= response.status < 500:
                    self.patience.calm()
            finally:
                self.keep(target, connection, response)
        except Broken as broken:
            raise Passing(str(broken)) from broken

    def exchange(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes,
        length: int | None,
        pour: Pour | None,
    ) -> tuple[Connection, Response]:
        while True:
            kept = self.kept().pop(target.origin, None)
            connection = kept or Connection(target, self.seconds)
            try:
                return connection, connection.send(method, target, headers, body, length=length, pour=pour)
            except Broken:
                connection.close()
                if kept is None:
                    raise
            except BaseException:
                connection.close()
                raise

    def kept(self) -> dict[tuple[str, str, int], Connection]:
        held: dict[tuple[str, str, int], Connection] | None = getattr(self.local, "kept", None)
        if held is None:
            held = self.local.kept = {}
        return held

    def keep(self, target: Target, connection: Connection, response: Response) -> None:
        if response.reusable:
            self.kept()[target.origin] = connection
        else:
            connection.close()
