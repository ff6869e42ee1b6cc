"""The web server of one machine: several WSGI applications under one address, in this process, by threads.

Cheroot 11 was chosen by measurement (`bench/web_server.py`, 2 busy cores, 16 connections): as it comes about 2,000
requests/s in one process of 33 MB, with the parts below about 2,800. Waitress: 2,000, and it keeps large bodies in
files before it calls the application. Granian: 8,900, but in two processes (77 MB), and what runs here must be one.

Cheroot as it comes wakes twice a second, keeps ten idle connections, reads an upload that the application has refused
into memory, answers `Expect: 100-continue` before the application could refuse, and waits for ever for a thread at its
end. The subclasses below mend that; idle, it wakes every five minutes, to close connections that nobody uses.
"""

from __future__ import annotations

import errno
import io
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from cheroot import server as http
from cheroot import wsgi
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from functions.errors import Permanent
from gateway.embedded.bodies import Body, ChunkedBody, SizedBody
from gateway.embedded.threads import Connection, Threads

log = logging.getLogger(__name__)

EXPIRY_SECONDS = 300.0
"""How often idle connections are looked through; a look is the only reason to wake while nothing happens."""
LARGEST_HEADERS = 64 * 1024
SMALL_REST = 256 * 1024
"""So much of a body that the application did not read is read away, to keep the connection."""
LARGE_REST, LINGER_SECONDS = 64 * 1024 * 1024, 2.0
"""At most so much of it, and so long, is read away before the connection is closed: a client that still sends would
otherwise lose the answer to a reset (RFC 9112, section 9.6)."""
STOPPING = "chrysalis.stopping"
"""The key in the WSGI environment under which a long answer finds the Event that tells it to end."""


class HeaderReader(http.HeaderReader):
    """Drops names with underscores, which WSGI could not tell from those with dashes, and takes `Expect` to itself."""

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        headers: dict[bytes, bytes] = super().__call__(rfile, hdict)
        expected = headers.pop(b"Expect", b"").lower()
        headers[EXPECTED] = b"yes" if expected == b"100-continue" else b""
        return headers

    def _allow_header(self, key_name: bytes) -> bool:
        return b"_" not in key_name


EXPECTED = b"chrysalis_expected"
"""No client can send this name."""


class Request(http.HTTPRequest):
    """One request and its answer; leaves the connection where the next request begins, or closes it."""

    header_reader = HeaderReader()
    body: Body

    def read_request_headers(self) -> bool:
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        self.expected = bool(self.inheaders.pop(EXPECTED, b""))
        length = self.inheaders.get(b"Content-Length", b"0")
        if not length.isdigit() or (b"Content-Length" in self.inheaders and b"Transfer-Encoding" in self.inheaders):
            self.simple_response("400 Bad Request", "The length of the request body is not clear.")
            return False
        return True

    def respond(self) -> None:
        length = int(self.inheaders.get(b"Content-Length", 0))
        source = self.conn.rfile
        self.body = ChunkedBody(source, self.go_on) if self.chunked_read else SizedBody(source, self.go_on, length)
        self.server.gateway(self).respond()
        if self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")
        if not self.body.finished:
            self.read_away()

    def go_on(self) -> None:
        """Ask a client that waits for it to send the body: the application wants to read it."""
        if self.expected and not self.sent_headers:
            self.conn.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send_headers(self) -> None:
        small = isinstance(self.body, SizedBody) and self.body.left <= SMALL_REST
        unasked = self.expected and not self.body.begun
        if not self.body.finished and (unasked or not small):
            self.close_connection = True
        super().send_headers()

    def read_away(self) -> None:
        if self.close_connection:
            with suppress(OSError):
                self.conn.socket.shutdown(socket.SHUT_WR)
            if self.expected and not self.body.begun:
                return
        self.expected = False
        until, room = time.monotonic() + LINGER_SECONDS, LARGE_REST
        buffer = bytearray(64 * 1024)
        while not self.body.finished and room > 0 and time.monotonic() < until:
            room -= self.body.readinto(buffer)


class Gateway(wsgi.Gateway_10):
    """From a request to WSGI and back (PEP 3333)."""

    def get_environ(self) -> WSGIEnvironment:  # type: ignore[override]  # cheroot's stub says None
        environ: WSGIEnvironment = super().get_environ()  # type: ignore[no-untyped-call]
        environ["SERVER_NAME"] = str(self.req.server.bind_addr[0])
        environ["wsgi.input"] = io.BufferedReader(self.req.body, 64 * 1024)
        environ[STOPPING] = self.req.server.stopping
        return environ

    def respond(self) -> None:
        answer = self.req.server.wsgi_app(self.env, self.start_response)
        try:
            for chunk in answer:
                self.write(chunk)
            self.req.ensure_headers_sent()
            if self.remaining_bytes_out and self.has_body():
                self.req.close_connection = True
                self.req.server.error_log("An answer is shorter than it says.", level=logging.ERROR)
        finally:
            if hasattr(answer, "close"):
                answer.close()

    def has_body(self) -> bool:
        return self.req.method != b"HEAD" and not self.req.status.startswith((b"204", b"304"))

    def write(self, chunk: bytes) -> None:
        if not chunk:
            return
        if not self.started_response:
            raise RuntimeError("The application writes before it has called start_response.")
        self.req.ensure_headers_sent()
        if not self.has_body():
            return
        if self.remaining_bytes_out is not None:
            if len(chunk) > self.remaining_bytes_out:
                raise ValueError("The application's answer is longer than it says.")
            self.remaining_bytes_out -= len(chunk)
        self.req.write(chunk)


class HttpConnection(http.HTTPConnection):
    RequestHandlerClass = Request


class HttpServer(wsgi.Server):
    """Cheroot's server with the parts above; `stopping` is set when it begins to stop."""

    ConnectionClass = HttpConnection
    expiration_interval = EXPIRY_SECONDS
    keep_alive_conn_limit = 10_000
    max_request_header_size = LARGEST_HEADERS

    def __init__(self, host: str, port: int, application: WSGIApplication, threads: Threads, *, timeout: float) -> None:
        super().__init__((host, port), application, server_name="Chrysalis", request_queue_size=128)
        self.gateway, self.requests, self.timeout = Gateway, threads, timeout
        self.stopping = threading.Event()

    def process_conn(self, conn: Any) -> None:
        """A thread is for requests: a new connection waits for its first one beside the idle ones."""
        if conn.last_used is None:
            self._connections.put(conn)  # type: ignore[attr-defined]  # not in cheroot's stub
        else:
            super().process_conn(conn)

    def bind(self, family: int, type: int, proto: int = 0) -> Any:
        try:
            return super().bind(family, type, proto)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise Permanent(explain(error, *self.bind_addr[:2])) from error
            raise

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        log.log(level, "%s", msg, exc_info=traceback, extra={"action": "http.server"})


class Server:
    """`bind` it to learn its address, `start` it with the applications by prefix, `stop` it."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        threads: int = 8,
        most_threads: int = 64,
        timeout: float = 30,
    ) -> None:
        """`port` 0: a free one. `timeout`: seconds that a client may keep silent in the middle of a request."""
        self._threads = Threads(self._keep, least=threads, most=most_threads)
        self._http = HttpServer(host, port, not_found, self._threads, timeout=timeout)
        self._thread: threading.Thread | None = None

    @property
    def stopping(self) -> threading.Event:
        """Set when the server begins to stop; long answers watch it."""
        stopping: threading.Event = self._http.stopping
        return stopping

    @property
    def port(self) -> int:
        return int(self._http.bind_addr[1])

    @property
    def address(self) -> str:
        """The URL of the server as seen from this machine, without a slash at its end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._http.bind_addr[0], self._http.bind_addr[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def bind(self) -> str:
        """Take the port; clients may connect, and wait for `start`. Returns the address. Raises Permanent."""
        try:
            self._http.prepare()
        except OSError as error:
            raise Permanent(explain(error, *self._http.bind_addr[:2])) from error
        return self.address

    def start(self, applications: Mapping[str, WSGIApplication]) -> None:
        """Answer requests from now on. Each application sees its prefix ("" or "/pods/stage") as SCRIPT_NAME."""
        if not self._http.ready:
            self.bind()
        mounts = {prefix.rstrip("/"): application for prefix, application in applications.items()}
        self._http.wsgi_app = DispatcherMiddleware(mounts.pop("", not_found), mounts)
        self._thread = threading.Thread(target=self._http.serve, name="http-server", daemon=True)
        self._thread.start()

    def stop(self, grace: float = 10.0) -> bool:
        """Take no new requests, let the running ones end for `grace` seconds, then cut them off; False if one still
        ran after that (its thread does not hold up the end of the process)."""
        self.stopping.set()
        self._http.shutdown_timeout = grace
        stopper = threading.Thread(target=self._http.stop, name="http-stop", daemon=True)
        stopper.start()
        while self._thread is not None and self._thread.is_alive():
            self._wake()
            self._thread.join(0.02)
        stopper.join()
        return self._threads.count() == 0

    def _wake(self) -> None:
        """The loop sleeps until something comes in: so something comes in."""
        with suppress(OSError):
            socket.create_connection(self._http.bind_addr[:2], timeout=1).close()

    def _keep(self, connection: Connection) -> None:
        self._http.put_conn(connection)


def not_found(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    answer: Callable[..., Iterable[bytes]] = NotFound().get_response(environ)
    return answer(environ, start_response)


def explain(error: OSError, host: str, port: int) -> str:
    """Why the server cannot listen, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken, perhaps by another server. Stop that one, or choose another: --port."
    if error.errno == errno.EACCES:
        return f"Port {port} is not for everybody. Choose one above 1023: --port."
    return f"The server cannot listen on {host}, port {port} ({error}). Choose another address: --host, --port."
