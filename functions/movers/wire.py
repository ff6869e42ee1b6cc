"""HTTP/1.1 over one connection that is kept alive: the little of it that movers need, in little time.

The standard library's `http.client` takes longer to import than a small job takes to move, and parses the head of each
answer with the e-mail parser; staging thousands of files would spend half its CPU there. Framing follows RFC 9112.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from ssl import SSLContext

LONGEST_LINE, MOST_HEADERS = 65536, 200
BUFFER = 65536
SMALL_BODY = 1024 * 1024
EARLY_SECONDS = 5.0
HEX = re.compile(rb"[0-9a-fA-F]{1,15}")


class Broken(Exception):
    """The connection or the answer on it is of no use; another connection may do better."""


@dataclass(frozen=True)
class Target:
    """A URL cut into what a connection is made to and what is asked for on it."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """Raises ValueError if it is no http(s) URL, or one that could smuggle a second request."""
        scheme, separator, rest = url.partition("://")
        if separator == "" or scheme not in ("http", "https"):
            raise ValueError("The URL is neither http nor https.")
        if any(not "!" <= character <= "~" for character in rest):
            raise ValueError("The URL holds characters that must be escaped.")
        end = min((place for place in map(rest.find, "/?#") if place >= 0), default=len(rest))
        authority, path = rest[:end].rpartition("@")[2], rest[end:].partition("#")[0]
        host, port = split_authority(authority)
        return cls(scheme, host, port or (443 if scheme == "https" else 80), path if path[:1] == "/" else "/" + path)

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        """As the signature of a URL has it: without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def split_authority(authority: str) -> tuple[str, int]:
    """Host and port (0: none is given); an IPv6 address without its brackets."""
    closing = authority.rfind("]")
    colon = authority.find(":", closing + 1)
    host, port = (authority, "") if colon < 0 else (authority[:colon], authority[colon + 1 :])
    if not host or (port and not port.isdecimal()):
        raise ValueError("The URL has no host, or a port that is no number.")
    return host.strip("[]"), int(port or 0)


class Response:
    """The head of an answer, and its body while the connection lives."""

    def __init__(self, stream: BinaryIO, status: int, headers: dict[str, str], *, bodiless: bool) -> None:
        self.stream, self.status, self.headers = stream, status, headers
        self.chunked = not bodiless and "chunked" in headers.get("transfer-encoding", "").lower()
        self.length = 0 if bodiless else None if self.chunked else read_length(headers)
        self.finished = self.length == 0
        self.left = self.length or 0

    @property
    def reusable(self) -> bool:
        """May the connection carry another request?"""
        return self.finished and "close" not in self.headers.get("connection", "").lower()

    def chunks(self, buffer: memoryview) -> Iterator[memoryview]:
        """The body, piece by piece, each in the same buffer. Raises Broken if it ends too early."""
        try:
            if self.chunked:
                yield from self.read_chunked(buffer)
            elif self.length is None:
                while count := self.stream.readinto(buffer):  # type: ignore[attr-defined]
                    yield buffer[:count]
            else:
                yield from self.read_counted(buffer)
                self.finished = True
        except OSError as error:
            raise Broken(f"The connection broke while reading: {error}.") from error

    def read_counted(self, buffer: memoryview) -> Iterator[memoryview]:
        while self.left:
            count = self.stream.readinto(buffer[: min(self.left, len(buffer))])  # type: ignore[attr-defined]
            if not count:
                raise Broken("The answer ended too early.")
            self.left -= count
            yield buffer[:count]

    def read_chunked(self, buffer: memoryview) -> Iterator[memoryview]:
        while True:
            size = self.stream.readline(LONGEST_LINE).partition(b";")[0].strip()
            if not HEX.fullmatch(size):
                raise Broken("The answer is badly chunked.")
            self.left = int(size, 16)
            if not self.left:
                while self.stream.readline(LONGEST_LINE).strip():
                    continue
                self.finished = True
                return
            yield from self.read_counted(buffer)
            self.stream.readline(LONGEST_LINE)

    def read(self, most: int = SMALL_BODY * 64) -> bytes:
        """The whole body. Raises Broken if it is larger than `most` bytes."""
        body = bytearray()
        for chunk in self.chunks(memoryview(bytearray(BUFFER))):
            body += chunk
            if len(body) > most:
                raise Broken(f"The answer is larger than {most} bytes.")
        return bytes(body)


def read_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not text.isdecimal():
        raise Broken("The length of the answer is no number.")
    return int(text)


class Connection:
    """A connection to one origin. `seconds` is how long it may be silent before it counts as broken."""

    def __init__(self, target: Target, seconds: float) -> None:
        try:
            self.socket = socket.create_connection((target.host, target.port), timeout=min(seconds, 10))
            self.socket.settimeout(seconds)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if target.scheme == "https":
                self.socket = encrypt(self.socket, target.host)
        except OSError as error:
            raise Broken(f"No connection to {target.host}:{target.port}: {error}.") from error
        self.stream = cast(BinaryIO, self.socket.makefile("rb", BUFFER))

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def send(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        length: int | None = None,
        pour: Callable[[socket.socket], None] | None = None,
    ) -> Response:
        """Send a request and read the head of its answer. A long body is poured: `length` bytes, by `pour`."""
        fields = {"Host": target.host_header, **headers}
        if length is not None or body or method in ("PUT", "POST"):
            fields["Content-Length"] = str(len(body) if length is None else length)
        lines = [f"{method} {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        try:
            self.socket.sendall(head + body)
            if pour:
                pour(self.socket)
        except OSError as error:
            return self.read_early(error)
        return self.read_head()

    def read_early(self, error: OSError) -> Response:
        """A server that refuses a long body answers and closes before it was sent: the answer says why."""
        try:
            self.socket.settimeout(EARLY_SECONDS)
            response = self.read_head()
        except (Broken, OSError):
            raise Broken(f"The connection broke while sending: {error}.") from error
        if response.status < 400:
            raise Broken(f"The connection broke while sending: {error}.") from error
        response.headers["connection"] = "close"
        return response

    def read_head(self) -> Response:
        try:
            while True:
                status = read_status(self.stream)
                headers = read_headers(self.stream)
                if status >= 200:
                    return Response(self.stream, status, headers, bodiless=status in (204, 304))
        except OSError as error:
            raise Broken(f"The connection broke while waiting: {error}.") from error


def read_status(stream: BinaryIO) -> int:
    line = stream.readline(LONGEST_LINE)
    if not line:
        raise Broken("The connection was closed without an answer.")
    parts = line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise Broken("The answer is not HTTP/1.1.")
    return int(parts[1])


def read_headers(stream: BinaryIO) -> dict[str, str]:
    """The headers, names in lower case; of a repeated one, all values joined with commas."""
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADERS):
        line = stream.readline(LONGEST_LINE)
        if line in (b"\r\n", b"\n"):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise Broken("The head of the answer ended too early.")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    raise Broken("The answer has too many headers.")


def encrypt(plain: socket.socket, host: str) -> socket.socket:
    return trust().wrap_socket(plain, server_hostname=host)


@lru_cache(maxsize=1)
def trust() -> SSLContext:
    """Whom we believe: the authorities of the system, or of $SSL_CERT_FILE. Made once, since it takes 20 ms."""
    import ssl  # takes 15 ms, and loopback traffic is plain

    return ssl.create_default_context()
