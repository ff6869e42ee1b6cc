"""HTTP as the movers speak it, against answers good and bad."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from functions.movers.wire import Broken, Connection, Target, trust
from tests.functions.movers.script import Reply, ScriptedServer, in_turn, reply


def ask(server: ScriptedServer, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
    target = Target.parse(server.url + "/x")
    connection = Connection(target, 5)
    try:
        response = connection.send(method, target, {}, body)
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("url", "origin", "path", "host"),
    [
        ("http://a/b?c=%20#d", ("http", "a", 80), "/b?c=%20", "a"),
        ("https://a:443/", ("https", "a", 443), "/", "a"),
        ("http://a:8080", ("http", "a", 8080), "/", "a:8080"),
        ("http://a?x=y", ("http", "a", 80), "/?x=y", "a"),
        ("http://[::1]:9/b", ("http", "::1", 9), "/b", "[::1]:9"),
        ("http://user@a/b@c", ("http", "a", 80), "/b@c", "a"),
    ],
)
def test_a_url_is_cut_into_its_parts(url: str, origin: tuple[str, str, int], path: str, host: str) -> None:
    target = Target.parse(url)
    assert (target.origin, target.path, target.host_header) == (origin, path, host)


@pytest.mark.parametrize(
    "url", ["ftp://a/", "a/b", "http://", "http://a:b/", "http://a/ b", "http://a/\r\nX: y", "http://é/"]
)
def test_a_url_that_could_mean_something_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        Target.parse(url)


@given(st.text())
def test_any_text_is_either_a_url_or_refused(text: str) -> None:
    try:
        target = Target.parse("http://" + text)
    except ValueError:
        return
    assert target.path.startswith("/")
    assert not set(target.path) & set(" \r\n")


def test_a_connection_carries_one_request_after_another() -> None:
    with ScriptedServer(in_turn(reply(200, b"one"), reply(404, b""), reply(200, b"two"))) as server:
        target = Target.parse(server.url)
        connection = Connection(target, 5)
        answers = []
        for _ in range(3):
            response = connection.send("GET", target, {})
            answers.append((response.status, response.read()))
            assert response.reusable
        connection.close()
    assert answers == [(200, b"one"), (404, b""), (200, b"two")]
    assert server.connections == 1


def test_a_body_in_chunks_is_joined() -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n5\r\ndefgh\r\n0\r\nTrailer: x\r\n\r\n"
    with ScriptedServer(in_turn(Reply(raw))) as server:
        assert ask(server) == (200, b"abcdefgh")


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    with ScriptedServer(in_turn(Reply(b"HTTP/1.0 200 OK\r\n\r\nall", close=True))) as server:
        assert ask(server) == (200, b"all")


def test_a_provisional_answer_is_passed_over() -> None:
    with ScriptedServer(in_turn(Reply(b"HTTP/1.1 100 Continue\r\n\r\n" + reply(200, b"x").raw))) as server:
        assert ask(server, "PUT", b"body") == (200, b"x")
    assert server.asked[0].body == b"body"


def test_an_answer_without_a_body_is_not_waited_for() -> None:
    with ScriptedServer(in_turn(Reply(b"HTTP/1.1 204 No Content\r\n\r\n"))) as server:
        assert ask(server) == (204, b"")


def test_an_empty_put_tells_its_length() -> None:
    with ScriptedServer(in_turn(reply(200))) as server:
        ask(server, "PUT")
    assert server.asked[0].headers["content-length"] == "0"


@pytest.mark.parametrize(
    "bad",
    [
        Reply(b"", close=True),
        Reply(b"", reset=True),
        Reply(b"SSH-2.0-server\r\n", close=True),
        Reply(b"HTTP/1.1 abc\r\n\r\n", close=True),
        Reply(b"HTTP/1.1 200 OK\r\nContent-", close=True),
        Reply(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", close=True),
        Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", close=True),
        Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", reset=True),
        Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", close=True),
        Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", close=True),
        Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc", close=True),
        Reply(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", close=True),
    ],
)
def test_an_answer_that_is_none_is_broken(bad: Reply) -> None:
    with ScriptedServer(in_turn(bad)) as server, pytest.raises(Broken):
        ask(server)


def make_certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that it signs itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    place = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(place, critical=False).sign(key, hashes.SHA256())
    file = folder / "both.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[ScriptedServer, Path]]:
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ScriptedServer(in_turn(reply(200, b"secret"))) as server:
        server.wrap = lambda plain: context.wrap_socket(plain, server_side=True)
        server.url = server.url.replace("http:", "https:")
        yield server, certificate
    trust.cache_clear()


def test_an_encrypted_connection_to_whom_we_trust(
    encrypted: tuple[ScriptedServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, certificate = encrypted
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trust.cache_clear()
    assert ask(server, "PUT", b"x" * 100_000) == (200, b"secret")
    assert server.asked[0].body == b"x" * 100_000


def test_a_stranger_is_not_spoken_to(encrypted: tuple[ScriptedServer, Path]) -> None:
    server, _ = encrypted
    trust.cache_clear()
    with pytest.raises(Broken, match="certificate"):
        ask(server)
    assert server.asked == []


def test_nobody_listening_is_broken() -> None:
    with ScriptedServer(in_turn(reply(200))) as server:
        pass
    with pytest.raises(Broken, match="No connection"):
        ask(server)
