"""The fault proxy does to a connection what it says."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from tests.faults import ERROR, KINDS, LOST, RESET, SLOW_DOWN, TRUNCATE, FaultProxy
from tests.functions.movers.script import ScriptedServer, in_turn, reply

BODY = b"x" * 100_000


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(in_turn(reply(200, BODY))) as server:
        yield server


def ask(proxy: FaultProxy, method: str = "PUT", body: bytes = b"y" * 1000) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", int(proxy.endpoint.rpartition(":")[2]), timeout=10)
    try:
        connection.request(method, "/key", body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_without_faults_all_passes(server: ScriptedServer) -> None:
    with FaultProxy(server.url) as proxy:
        assert ask(proxy) == (200, BODY)
        assert (proxy.requests, proxy.busiest) == (1, 1)
        proxy.wait_for(lambda: proxy.bytes == 1000 + len(BODY))
    assert server.asked[0].body == b"y" * 1000
    assert not proxy.faults


@pytest.mark.parametrize(("kind", "status", "code"), [(ERROR, 500, b"InternalError"), (SLOW_DOWN, 503, b"SlowDown")])
def test_a_refusal_never_reaches_the_store(server: ScriptedServer, kind: str, status: int, code: bytes) -> None:
    with FaultProxy(server.url, share=1, kinds=[kind]) as proxy:
        answer = ask(proxy)
    assert answer[0] == status
    assert code in answer[1]
    assert server.asked == []
    assert proxy.faults == {kind: 1}


@pytest.mark.parametrize(("kind", "acts"), [(RESET, False), (LOST, True), (TRUNCATE, True)])
def test_a_break_comes_before_or_after_the_store_has_acted(server: ScriptedServer, kind: str, acts: bool) -> None:
    broken = (ConnectionError, http.client.HTTPException)
    with FaultProxy(server.url, share=1, kinds=[kind]) as proxy, pytest.raises(broken):
        ask(proxy)
    assert bool(server.asked) is acts


def test_the_same_seed_draws_the_same_faults(server: ScriptedServer) -> None:
    drawn = []
    for _ in range(2):
        with FaultProxy(server.url, seed=3, share=0.5, kinds=[ERROR, SLOW_DOWN]) as proxy:
            drawn.append([ask(proxy)[0] for _ in range(20)])
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {200, 500, 503}


def test_only_some_requests_may_fail(server: ScriptedServer) -> None:
    with FaultProxy(server.url, share=1, kinds=[ERROR]) as proxy:
        proxy.only = lambda method, path: method == "GET"
        assert ask(proxy, "PUT")[0] == 200
        assert ask(proxy, "GET", b"")[0] == 500


def test_a_store_that_is_down_resets_all_and_counts_who_knocks(server: ScriptedServer) -> None:
    with FaultProxy(server.url) as proxy:
        proxy.down = True
        for _ in range(3):
            with pytest.raises(ConnectionError):
                ask(proxy)
        proxy.down = False
        assert ask(proxy)[0] == 200
        assert proxy.requests == 4
    assert set(KINDS) == {ERROR, SLOW_DOWN, RESET, LOST, TRUNCATE}
