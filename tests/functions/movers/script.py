"""A server on a real socket that answers as it was told, byte by byte: for answers that no good server gives."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """Bytes to send, and whether the connection ends then: `reset` breaks it, `close` ends it in order."""

    raw: bytes
    close: bool = False
    reset: bool = False


Script = Callable[[Asked], Reply]


def reply(status: int, body: bytes = b"", *, keep: int | None = None, **headers: str) -> Reply:
    """An answer; with `keep`, only so many bytes of the body are sent before the connection ends."""
    fields = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = f"HTTP/1.1 {status} Word\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    return Reply(head.encode() + (body if keep is None else body[:keep]), close=keep is not None)


@dataclass
class ScriptedServer:
    """Answers each request by `script`; keeps what was asked, and how many connections there were.

    Without `bodies` it answers as soon as it has the head.
    """

    script: Script
    bodies: bool = True
    wrap: Callable[[socket.socket], socket.socket] = lambda plain: plain
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> ScriptedServer:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError), self.wrap(connection) as connection, connection.makefile("rb") as stream:
            while line := stream.readline().decode().strip():
                headers: dict[str, str] = {}
                while header := stream.readline().decode("latin-1").strip():
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                length = int(headers.get("content-length", 0)) if self.bodies else 0
                asked = Asked(line, headers, stream.read(length))
                self.asked.append(asked)
                answer = self.script(asked)
                connection.sendall(answer.raw)
                if answer.reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if answer.close or answer.reset:
                    return


def in_turn(*replies: Reply) -> Script:
    """One reply after another; the last again and again."""
    left = list(replies)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]
