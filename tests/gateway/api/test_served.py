"""The API behind a real server: streams, ranges, broken connections, several clients at once."""

from __future__ import annotations

import http.client
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cheroot.wsgi import Server

from functions.objects import Store
from tests.gateway.api.world import JSON, World
from tests.scale import count

pytestmark = pytest.mark.timeout(120, method="thread")
"""A stuck connection shows where it is stuck."""
BOUNDARY = "frontier"
MEGABYTE = 1024 * 1024


@pytest.fixture
def address(world: World) -> Iterator[tuple[str, int]]:
    server = Server(("127.0.0.1", 0), world.app, numthreads=8, shutdown_timeout=2)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server.bind_addr
    server.stop()
    thread.join(10)


def frame(path: str, size: int) -> tuple[bytes, bytes, dict[str, str]]:
    """What stands before and behind the bytes of a file in a form, and its headers."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="upload_path"\r\n\r\n{path}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="fname"; filename="x"\r\n\r\n'
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    media = f"multipart/form-data; boundary={BOUNDARY}"
    return head, tail, {"Content-Type": media, "Content-Length": str(len(head) + size + len(tail)), "Accept": JSON}


def send(
    address: tuple[str, int], world: World, path: str, chunks: Iterator[bytes], size: int, user: str = "anna"
) -> http.client.HTTPResponse:
    head, tail, headers = frame(path, size)

    def body() -> Iterator[bytes]:
        yield head
        yield from chunks
        yield tail

    connection = http.client.HTTPConnection(*address, timeout=60)
    headers["Authorization"] = f"Token {world.tokens[user]}"
    connection.request("POST", "/api/v1/userfiles/", body=body(), headers=headers)
    return connection.getresponse()


def fetch(address: tuple[str, int], world: World, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(*address, timeout=60)
    connection.request("GET", path, headers={"Authorization": f"Token {world.tokens['anna']}", **headers})
    return connection.getresponse()


def eventually(question: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if question():
            return True
        time.sleep(0.01)
    return False


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_big_file_goes_through_in_little_memory(world: World, address: tuple[str, int]) -> None:
    megabytes = count(full=10_240, ci=1024, fast=96)
    block = bytes(range(256)) * (MEGABYTE // 256)
    before = peak_bytes()
    answer = send(address, world, "home/anna/uploads/big", (block for _ in range(megabytes)), megabytes * MEGABYTE)
    assert answer.status == 201, answer.read()
    answer.read()
    (file,) = world.get("userfiles/search/?fname_exact=home/anna/uploads/big")["results"]
    assert file["fsize"] == megabytes * MEGABYTE
    download = fetch(address, world, file["file_resource"].removeprefix("http://localhost"))
    size = 0
    while chunk := download.read(MEGABYTE):
        assert chunk == block
        size += len(chunk)
    assert size == megabytes * MEGABYTE
    assert peak_bytes() - before < 48 * MEGABYTE


def test_a_range_of_a_big_file_is_only_that(world: World, address: tuple[str, int]) -> None:
    send(address, world, "home/anna/uploads/x", iter([b"0123456789" * 300_000]), 3_000_000).read()
    (file,) = world.get("userfiles/search/?fname_exact=home/anna/uploads/x")["results"]
    answer = fetch(address, world, f"/api/v1/userfiles/{file['id']}/x", Range="bytes=2999995-")
    assert (answer.status, answer.read()) == (206, b"56789")
    assert answer.getheader("Content-Range") == "bytes 2999995-2999999/3000000"


def test_an_upload_that_breaks_off_leaves_nothing(world: World, address: tuple[str, int]) -> None:
    head, _, headers = frame("home/anna/uploads/broken", 10 * MEGABYTE)
    done = threading.Event()
    put = world.store.put

    def watched(*given: Any) -> Any:
        try:
            return put(*given)
        finally:
            done.set()

    world.store.put = watched  # type: ignore[method-assign]
    client = socket.create_connection(address)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Authorization: Token {world.tokens['anna']}", "Host: x"]
    client.sendall(b"POST /api/v1/userfiles/ HTTP/1.1\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n")
    client.sendall(head + b"x" * MEGABYTE)
    client.close()
    assert done.wait(20)
    assert world.get("userfiles/")["count"] == 1
    assert world.get("userfiles/search/?fname_icontains=broken")["count"] == 0
    assert eventually(lambda: len(world.store.list("uploads/").objects) == len(world.users))
    assert fetch(address, world, "/api/v1/plugins/").status == 200


def test_a_refused_upload_is_told_though_its_bytes_are_on_the_way(world: World, address: tuple[str, int]) -> None:
    block = b"x" * MEGABYTE
    answer = send(address, world, "home/bobo/uploads/x", (block for _ in range(24)), 24 * MEGABYTE)
    assert answer.status == 400
    assert b"write permission" in answer.read()
    world.tokens["nobody"] = "0" * 40
    answer = send(address, world, "home/anna/uploads/x", (block for _ in range(24)), 24 * MEGABYTE, user="nobody")
    assert answer.status == 401
    assert len(world.store.list("uploads/").objects) == len(world.users)


def test_two_uploads_make_a_new_folder_once(world: World, address: tuple[str, int]) -> None:
    rounds = count(full=50, ci=20, fast=5)
    gate = threading.Barrier(2)

    def upload(number: int, name: str) -> int:
        gate.wait()
        path = f"home/anna/uploads/new{number}/deep/{name}"
        answer = send(address, world, path, iter([name.encode()]), len(name))
        answer.read()
        return answer.status

    with ThreadPoolExecutor(2) as pool:
        for number in range(rounds):
            assert list(pool.map(upload, (number, number), ("one", "two"))) == [201, 201]
            found = world.get(f"filebrowser/search/?path=home/anna/uploads/new{number}/deep")["results"]
            files = world.get(found[0]["files"].removeprefix("http://localhost"))["results"]
            assert sorted(file["fname"].rpartition("/")[2] for file in files) == ["one", "two"]


def test_two_uploads_of_one_name_leave_one_whole_file(world: World, address: tuple[str, int]) -> None:
    contents = [b"a" * 300_000, b"b" * 300_001]
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda body: send(address, world, "home/anna/uploads/same", iter([body]), len(body)), contents)
        )
    assert [answer.status for answer in answers] == [201, 201]
    (file,) = world.get("userfiles/search/?fname_exact=home/anna/uploads/same")["results"]
    body = fetch(address, world, f"/api/v1/userfiles/{file['id']}/same").read()
    assert body in contents
    assert len(body) == file["fsize"]


def test_what_was_accepted_is_in_the_store_and_in_the_catalog(world: World, address: tuple[str, int]) -> None:
    """The answer comes last: when it is there, the row is, and when the row is there, the object is."""
    seen: list[tuple[int, bool]] = []
    put, transaction = world.store.put, world.catalog.transaction
    store: Store = world.store

    def watched(*given: Any) -> Any:
        info = put(*given)
        seen.append((world.get("userfiles/")["count"], True))
        return info

    def noted() -> Any:
        seen.append((0, store.list("uploads/").objects != ()))
        return transaction()

    world.store.put = watched  # type: ignore[method-assign]
    world.catalog.transaction = noted  # type: ignore[method-assign]
    answer = send(address, world, "home/anna/uploads/x", iter([b"abc"]), 3)
    assert answer.status == 201
    assert seen == [(1, True), (0, True)]
