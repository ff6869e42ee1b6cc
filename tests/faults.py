"""A proxy in front of a store that makes it fail: answers of 500 and 503, resets, truncation, slowness, absence.

    with FaultProxy(server.endpoint, seed=7, share=0.05) as proxy:
        store = S3Store(..., endpoint=proxy.endpoint)      # signatures hold: the host that is signed is the proxy's

Which request fails, and how, is drawn from a seeded generator. What it did can be asked: `faults`, `requests`,
`busiest`.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

ERROR, SLOW_DOWN, RESET, LOST, TRUNCATE = KINDS = "error", "slow-down", "reset", "lost", "truncate"
"""500; 503 SlowDown; the connection breaks before the store sees the request; after it has acted; within the answer."""
CHUNK = 64 * 1024
HEAD = b"\r\n\r\n"
XML = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'


@dataclass(frozen=True)
class Head:
    """The head of a message: its first line, its header lines, and what frames its body."""

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def parse(cls, raw: bytes) -> Head:
        first, *lines = raw.removesuffix(HEAD).split(b"\r\n")
        fields = (line.partition(b":")[::2] for line in lines)
        return cls(first, tuple((name.strip().lower(), value.strip()) for name, value in fields))

    def get(self, name: bytes) -> bytes:
        return next((value for key, value in self.fields if key == name), b"")

    def render(self, *, without: Sequence[bytes] = ()) -> bytes:
        lines = [name + b": " + value for name, value in self.fields if name not in without]
        return b"\r\n".join([self.line, *lines]) + HEAD

    @property
    def method(self) -> str:
        return self.line.split()[0].decode()

    @property
    def path(self) -> str:
        return self.line.split()[1].decode()

    @property
    def status(self) -> int:
        return int(self.line.split()[1])


class Cut(Exception):
    """The connection to the client ends here, without a word."""


class FaultProxy:
    """Listens on a port of the kernel's choice, in a thread of its own. Attributes may be changed at any time.

    `share` of the requests that `only` picks fail; `down`: every connection is reset; `rate`: bytes per second that
    pass in each direction of a connection (0: no limit).
    """

    def __init__(self, upstream: str, *, seed: int = 0, share: float = 0.0, kinds: Sequence[str] = KINDS) -> None:
        place = urlsplit(upstream)
        self.host, self.port = place.hostname or "127.0.0.1", place.port or 80
        self.random, self.share, self.kinds = random.Random(seed), share, tuple(kinds)
        self.only: Callable[[str, str], bool] = lambda method, path: True
        self.rate = 0
        self.faults: Counter[str] = Counter()
        self.seconds: Counter[int] = Counter()
        self.requests = self.bytes = 0
        self.changed = threading.Condition()
        self._down = False
        self._clients: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    # --- what tests use ---

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._own_port}"

    @property
    def down(self) -> bool:
        return self._down

    @down.setter
    def down(self, value: bool) -> None:
        self._down = value
        if value:
            self._loop.call_soon_threadsafe(self._cut_all)

    @property
    def busiest(self) -> int:
        """The most requests (or attempts to connect, while down) that came in one second."""
        return max(self.seconds.values(), default=0)

    def wait_for(self, seen: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something is true of the counts; it is asked again whenever a request or bytes came."""
        with self.changed:
            assert self.changed.wait_for(seen, seconds), "the proxy has not seen what was waited for"

    # --- the proxy ---

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=CHUNK * 2))
        self._own_port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._cut_all()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _cut_all(self) -> None:
        for client in self._clients:
            client.transport.abort()

    def _count(self, *, request: bool = False, size: int = 0) -> None:
        with self.changed:
            self.bytes += size
            if request:
                self.requests += 1
                self.seconds[int(time.monotonic())] += 1
            self.changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._down:
            self._count(request=True)
            writer.transport.abort()
            return
        self._clients.add(writer)
        up: asyncio.StreamWriter | None = None
        try:
            up_reader, up = await asyncio.open_connection(self.host, self.port, limit=CHUNK * 2)
            while await self._exchange(reader, writer, up_reader, up):
                continue
        except (Cut, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._clients.discard(writer)
            writer.close()
            if up is not None:
                up.transport.abort()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up: asyncio.StreamWriter,
    ) -> bool:
        """One request and its answer; answers whether the connection goes on."""
        request = Head.parse(await reader.readuntil(HEAD))
        self._count(request=True)
        fault = self._draw(request)
        if fault == RESET:
            raise Cut
        if request.get(b"expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault in (ERROR, SLOW_DOWN):
            await self._pass_body(reader, None, request)
            writer.write(refusal(fault))
            await writer.drain()
            return True
        up.write(request.render(without=(b"expect",)))
        await self._pass_body(reader, up, request)
        return await self._answer(writer, up_reader, request, fault)

    async def _answer(
        self, writer: asyncio.StreamWriter, up_reader: asyncio.StreamReader, request: Head, fault: str
    ) -> bool:
        answer = Head.parse(await up_reader.readuntil(HEAD))
        while answer.status < 200:
            answer = Head.parse(await up_reader.readuntil(HEAD))
        if fault == LOST:
            raise Cut
        writer.write(answer.render())
        if request.method != "HEAD" and answer.status not in (204, 304):
            await self._pass_body(up_reader, writer, answer, keep=0.5 if fault == TRUNCATE else 1.0)
        if fault == TRUNCATE:
            await writer.drain()
            raise Cut
        await writer.drain()
        return b"close" not in answer.get(b"connection").lower()

    def _draw(self, request: Head) -> str:
        if not self.only(request.method, request.path) or self.random.random() >= self.share:
            return ""
        fault = self.random.choice(self.kinds)
        self.faults[fault] += 1
        return fault

    async def _pass_body(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, head: Head, *, keep: float = 1.0
    ) -> None:
        """Pass the body on (or away); of a counted one only the first `keep`."""
        if b"chunked" in head.get(b"transfer-encoding").lower():
            while True:
                line = await reader.readuntil(b"\r\n")
                size = int(line.split(b";")[0], 16)
                await self._send(writer, line)
                await self._pass(reader, writer, size + 2)
                if not size:
                    return
        length = int(head.get(b"content-length") or 0)
        await self._pass(reader, writer, int(length * keep))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, length: int) -> None:
        while length:
            chunk = await reader.read(min(length, CHUNK))
            if not chunk:
                raise Cut
            length -= len(chunk)
            await self._send(writer, chunk)
            self._count(size=len(chunk))
            if self.rate:
                await asyncio.sleep(len(chunk) / self.rate)

    async def _send(self, writer: asyncio.StreamWriter | None, chunk: bytes) -> None:
        if writer is not None:
            writer.write(chunk)
            await writer.drain()


def refusal(fault: str) -> bytes:
    """An answer as S3 gives it (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
    slow = fault == SLOW_DOWN
    status, code = ("503 Slow Down", "SlowDown") if slow else ("500 Internal Server Error", "InternalError")
    body = XML.format(code=code).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
