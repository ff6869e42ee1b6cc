"""The embedded web server over real sockets: mounting, streaming both ways, odd clients, an end with grace."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import flask
import pytest

from functions.errors import Permanent
from gateway.embedded.server import STOPPING, Server
from tests.gateway.embedded.naps import fall_asleep

MIB = 1 << 20


class Desk:
    """A Flask application, and what its requests have met."""

    def __init__(self) -> None:
        self.app = flask.Flask("desk")
        self.read = 0
        self.begun, self.go, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.errors: list[str] = []
        for rule, view in [
            ("/", self.show),
            ("/count", self.count),
            ("/refuse", self.refuse),
            ("/wait", self.wait),
            ("/stream", self.stream),
            ("/events", self.events),
            ("/file", self.file),
            ("/fail", self.fail),
            ("/cut", self.cut),
        ]:
            self.app.add_url_rule(rule, rule[1:] or "root", view, methods=["GET", "POST", "PUT"])

    def show(self) -> flask.Response:
        request = flask.request
        return flask.jsonify(root=request.script_root, path=request.path, headers=dict(request.headers))

    def count(self) -> str:
        try:
            while piece := flask.request.stream.read(64 * 1024):
                self.read += len(piece)
                self.begun.set()
        except Exception as error:
            self.errors.append(type(error).__name__)
            raise
        return str(self.read)

    def refuse(self) -> tuple[str, int]:
        return "no", 401

    def wait(self) -> str:
        self.begun.set()
        self.go.wait(10)
        return "done"

    def stream(self) -> flask.Response:
        def pieces() -> Iterator[bytes]:
            yield b"first\n"
            self.go.wait(10)
            yield b"last\n"

        return flask.Response(pieces(), mimetype="text/plain")

    def events(self) -> flask.Response:
        stopping = flask.request.environ[STOPPING]

        def pieces() -> Iterator[bytes]:
            try:
                yield b"data: hello\n\n"
                self.begun.set()
                while not stopping.wait(0.01):
                    yield b": still here\n\n" * 1000
                yield b"data: bye\n\n"
            finally:
                self.closed.set()

        return flask.Response(pieces(), mimetype="text/event-stream")

    def file(self) -> flask.Response:
        return flask.send_file(Path(__file__), conditional=True)

    def fail(self) -> flask.Response:
        def pieces() -> Iterator[bytes]:
            yield b"x"
            raise RuntimeError("half way")

        return flask.Response(pieces(), headers={"Content-Length": "10"})

    def cut(self) -> flask.Response:
        return flask.Response(iter([b"12345"]), headers={"Content-Length": "10"})


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def server(desk: Desk) -> Iterator[Server]:
    server = Server(port=0, threads=2, most_threads=8, timeout=5)
    server.start({"": desk.app, "/pods/stage": desk.app})
    yield server
    desk.go.set()
    server.stop(1)


@pytest.fixture
def client(server: Server) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        yield connection


def ask(client: http.client.HTTPConnection, method: str, path: str, **options: object) -> tuple[int, bytes]:
    client.request(method, path, **options)  # type: ignore[arg-type]
    answer = client.getresponse()
    return answer.status, answer.read()


def dial(server: Server, text: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall(text)
    return connection


def hear(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    heard = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            heard += piece
    return heard


# mounting


def test_each_application_sees_its_prefix(client: http.client.HTTPConnection) -> None:
    for path, expected in [("/", ("", "/")), ("/pods/stage/", ("/pods/stage", "/"))]:
        told = json.loads(ask(client, "GET", path)[1])
        assert (told["root"], told["path"]) == expected


def test_a_prefix_is_a_folder_and_not_a_string(client: http.client.HTTPConnection) -> None:
    assert ask(client, "GET", "/pods/stages/")[0] == 404


def test_without_an_application_at_the_root_there_is_nothing_there() -> None:
    server = Server(port=0)
    server.start({"/pods/stage": Desk().app})
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as client:
        assert ask(client, "GET", "/")[0] == 404
        assert ask(client, "GET", "/pods/stage/")[0] == 200
    assert server.stop()


def test_a_header_that_looks_like_another_to_wsgi_is_dropped(client: http.client.HTTPConnection) -> None:
    _, body = ask(client, "GET", "/", headers={"X_User": "mallory", "X-User": "chris"})
    assert json.loads(body)["headers"]["X-User"] == "chris"


# the way in


def test_a_large_upload_takes_no_memory(desk: Desk, server: Server) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with dial(
        server, b"PUT /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (200 * MIB)
    ) as c:
        for _ in range(200):
            c.sendall(bytes(MIB))
        assert hear(c).endswith(str(200 * MIB).encode())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def test_the_application_reads_while_the_client_still_sends(desk: Desk, server: Server) -> None:
    with dial(server, b"PUT /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 70000\r\n\r\n") as c:
        c.sendall(bytes(65536))
        assert desk.begun.wait(5)
        assert desk.read == 65536
        c.sendall(bytes(70000 - 65536))
        assert hear(c).endswith(b"70000")


def test_chunked_bodies_arrive_and_the_connection_goes_on(client: http.client.HTTPConnection, desk: Desk) -> None:
    pieces = [b"a" * 5, b"b" * 300_000, b"c"]
    assert ask(client, "POST", "/count", body=iter(pieces), encode_chunked=True) == (200, b"300006")
    assert ask(client, "GET", "/")[0] == 200


def test_who_waits_to_be_asked_is_asked(server: Server) -> None:
    head = b"PUT /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n"
    with dial(server, head) as c:
        assert c.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        c.sendall(b"12345")
        heard = hear(c)
    assert heard.startswith(b"HTTP/1.1 200") and heard.endswith(b"\r\n5")


def test_who_waits_to_be_asked_may_be_refused_before_a_byte_is_sent(server: Server) -> None:
    head = b"PUT /refuse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"
    with dial(server, head) as c:
        heard = hear(c)
    assert heard.startswith(b"HTTP/1.1 401") and b"Connection: close" in heard


def test_a_small_body_that_nobody_reads_keeps_the_connection(client: http.client.HTTPConnection) -> None:
    for _ in range(3):
        assert ask(client, "POST", "/refuse", body=b"x" * 100_000) == (401, b"no")
    assert client.sock is not None
    port = client.sock.getsockname()[1]
    assert ask(client, "POST", "/refuse", body=iter([b"x" * 10]), encode_chunked=True)[0] == 401
    assert port


def test_a_large_body_that_nobody_reads_is_answered_and_not_kept(server: Server) -> None:
    """The client sends on for a while before it looks: it must find the answer, not a reset."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with dial(server, b"PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (1 << 40)) as c:
        for _ in range(30):
            c.sendall(bytes(MIB))
        heard = c.recv(65536)
    assert heard.startswith(b"HTTP/1.1 401")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def test_a_client_that_breaks_off_is_noticed(desk: Desk, server: Server, client: http.client.HTTPConnection) -> None:
    for head in (b"Content-Length: 1000", b"Transfer-Encoding: chunked"):
        desk.begun.clear()
        c = dial(server, b"PUT /count HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n2\r\nab\r\n")
        c.close()
    until = time.monotonic() + 5
    while len(desk.errors) < 2 and time.monotonic() < until:
        time.sleep(0.005)
    assert desk.errors == ["ClientDisconnected", "ClientDisconnected"]
    assert ask(client, "GET", "/")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: -5",
        b"Content-Length: +5",
        b"Content-Length: five",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_body_of_unclear_length_is_refused(server: Server, headers: bytes) -> None:
    with dial(server, b"PUT /count HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n") as c:
        assert hear(c).startswith(b"HTTP/1.1 400")


def test_endless_headers_are_refused(server: Server) -> None:
    with dial(server, b"GET / HTTP/1.1\r\nHost: x\r\n") as c, suppress(ConnectionError):
        for _ in range(200):
            c.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")
    with dial(server, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as c:
        assert hear(c).startswith(b"HTTP/1.1 200")


# the way out


def test_an_answer_is_sent_piece_by_piece(desk: Desk, client: http.client.HTTPConnection) -> None:
    client.request("GET", "/stream")
    answer = client.getresponse()
    assert answer.readline() == b"first\n"
    desk.go.set()
    assert answer.read() == b"last\n"


def test_head_and_range_answer_as_they_should(client: http.client.HTTPConnection) -> None:
    text = Path(__file__).read_bytes()
    client.request("HEAD", "/file")
    answer = client.getresponse()
    assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (200, str(len(text)), b"")
    client.request("GET", "/file", headers={"Range": "bytes=10-19"})
    answer = client.getresponse()
    assert (answer.status, answer.getheader("Content-Range")) == (206, f"bytes 10-19/{len(text)}")
    assert answer.read() == text[10:20]
    assert ask(client, "HEAD", "/stream") == (200, b"")


@pytest.mark.parametrize("path", ["/cut", "/fail"])
def test_an_answer_that_ends_too_soon_is_seen_as_cut(client: http.client.HTTPConnection, path: str) -> None:
    client.request("GET", path)
    with pytest.raises(http.client.IncompleteRead):
        client.getresponse().read()


def test_a_client_that_leaves_a_stream_ends_it(desk: Desk, server: Server) -> None:
    c = dial(server, b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
    assert desk.begun.wait(5)
    c.close()
    assert desk.closed.wait(5)


# threads


def test_long_answers_do_not_starve_the_short(desk: Desk, server: Server, client: http.client.HTTPConnection) -> None:
    streams = [dial(server, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(6)]
    assert all(stream.recv(10) for stream in streams)
    assert ask(client, "GET", "/")[0] == 200
    desk.go.set()
    for stream in streams:
        stream.close()


def test_silent_connections_hold_no_threads(server: Server, client: http.client.HTTPConnection) -> None:
    silent = [dial(server, b"") for _ in range(50)]
    assert ask(client, "GET", "/")[0] == 200
    assert sum(thread.name == "http" for thread in threading.enumerate()) <= 2
    for connection in silent:
        connection.close()


def test_an_idle_server_does_not_wake(server: Server, client: http.client.HTTPConnection) -> None:
    for _ in range(3):
        ask(client, "GET", "/")
    assert fall_asleep(lambda name: name in ("http", "http-server")) >= 2


# beginning and end


def test_two_servers_on_one_port_are_a_sentence(server: Server) -> None:
    with pytest.raises(Permanent, match=rf"Port {server.port} on 127.0.0.1 is taken.*--port"):
        Server(port=server.port).bind()


def test_an_address_that_is_not_ours_is_a_sentence() -> None:
    with pytest.raises(Permanent, match=r"cannot listen on 192\.0\.2\.1.*--host"):
        Server(host="192.0.2.1", port=0).bind()


def test_who_comes_between_bind_and_start_waits(desk: Desk) -> None:
    server = Server(port=0)
    assert server.bind() == server.address == f"http://127.0.0.1:{server.port}"
    with dial(server, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as early:
        server.start({"": desk.app})
        assert hear(early).startswith(b"HTTP/1.1 200")
    assert server.stop()


def test_stopping_lets_a_request_end(desk: Desk, server: Server) -> None:
    with dial(server, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n") as c:
        assert desk.begun.wait(5)
        threading.Timer(0.1, desk.go.set).start()
        assert server.stop(5)
        assert hear(c).endswith(b"done")
    with pytest.raises(ConnectionRefusedError):
        dial(server, b"")


def test_stopping_tells_event_streams_to_end(desk: Desk, server: Server) -> None:
    with dial(server, b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n") as c:
        listener: list[bytes] = []
        thread = threading.Thread(target=lambda: listener.append(hear(c)))
        thread.start()
        assert desk.begun.wait(5)
        assert server.stop(5)
        thread.join(5)
    assert b"data: bye" in listener[0]


def test_stopping_does_not_wait_for_ever(desk: Desk, server: Server) -> None:
    with dial(server, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"):
        assert desk.begun.wait(5)
        began = time.monotonic()
        assert not server.stop(0.1)
        assert time.monotonic() - began < 4


def test_an_idle_server_stops_at_once() -> None:
    server = Server(port=0)
    server.start({})
    began = time.monotonic()
    assert server.stop()
    assert time.monotonic() - began < 3
