"""What an answer of a store or of an endpoint means for a mover."""

from __future__ import annotations

import pytest

from functions.errors import Permanent, Refused, Temporary
from functions.movers.courier import Courier, Expired, Stopped, judge
from functions.movers.endpoint import Endpoint
from functions.movers.patience import Passing, Patience
from tests.functions.movers.script import Reply, ScriptedServer, in_turn, reply


def courier(seconds: float = 5) -> Courier:
    return Courier(Patience(seconds, chance=lambda: 0.0), 5)


def open_once(server: ScriptedServer, carrier: Courier) -> bytes:
    with carrier.open("GET", server.url) as response:
        judge(response, "the input 'a'")
        return response.read()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 599])
def test_a_store_in_trouble_is_asked_again(status: int) -> None:
    with ScriptedServer(in_turn(reply(status), reply(status), reply(200, b"x"))) as server:
        carrier = courier()
        assert carrier.patience.insist(lambda: open_once(server, carrier)) == b"x"
    assert len(server.asked) == 3
    assert server.connections == 1, "an answer, even a bad one, keeps the connection"


@pytest.mark.parametrize("code", ["RequestTimeout", "SlowDown", "IncompleteBody"])
def test_what_s3_means_as_passing_passes(code: str) -> None:
    bad = reply(400, f"<Error><Code>{code}</Code></Error>".encode())
    with ScriptedServer(in_turn(bad)) as server, pytest.raises(Passing):
        open_once(server, courier())


@pytest.mark.parametrize("status", [401, 403])
def test_a_url_that_opens_nothing_has_expired(status: int) -> None:
    with ScriptedServer(in_turn(reply(status, b"<Code>AccessDenied</Code>"))) as server, pytest.raises(Expired):
        open_once(server, courier())


def test_another_refusal_is_permanent_and_names_the_file() -> None:
    with (
        ScriptedServer(in_turn(reply(405))) as server,
        pytest.raises(Permanent, match="refuses the input 'a' with 405"),
    ):
        open_once(server, courier())


def test_the_wish_of_a_store_for_quiet_is_heard() -> None:
    with ScriptedServer(in_turn(reply(503, Retry_After="7"))) as server, pytest.raises(Passing) as caught:
        open_once(server, courier())
    assert caught.value.after == 7


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced_at_once() -> None:
    once = Reply(reply(200, b"x").raw, close=True)
    with ScriptedServer(in_turn(once, once)) as server:
        carrier = courier()
        assert [open_once(server, carrier) for _ in range(2)] == [b"x", b"x"]
    assert carrier.patience.troubles == 0


def test_a_connection_whose_answer_was_not_read_is_not_used_again() -> None:
    with ScriptedServer(in_turn(reply(200, b"x" * 100), reply(200, b"y"))) as server:
        carrier = courier()
        with carrier.open("GET", server.url):
            pass
        assert open_once(server, carrier) == b"y"
    assert server.connections == 2


def endpoint(server: ScriptedServer, seconds: float = 5) -> Endpoint:
    return Endpoint(courier(seconds), server.url + "/pods/", "the-token")


def test_an_endpoint_is_shown_the_token() -> None:
    with ScriptedServer(in_turn(reply(200, b'{"a": 1}'))) as server:
        assert endpoint(server).post("/x", {"b": 2}) == {"a": 1}
    [asked] = server.asked
    assert asked.line == "POST /pods/x HTTP/1.1"
    assert asked.headers["authorization"] == "Bearer the-token"
    assert asked.body == b'{"b":2}'


@pytest.mark.parametrize(
    ("status", "kind"), [(409, Stopped), (401, Refused), (400, Permanent), (413, Permanent), (422, Permanent)]
)
def test_a_word_of_an_endpoint_is_final(status: int, kind: type[Exception]) -> None:
    with ScriptedServer(in_turn(reply(status, b'{"sentence": "Because."}'))) as server:
        with pytest.raises(kind, match=r"Because\."):
            endpoint(server).get("/x")
        assert len(server.asked) == 1


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_an_endpoint_that_is_not_ready_is_asked_again(status: int) -> None:
    bad = reply(status, b"<html>no JSON</html>")
    with ScriptedServer(in_turn(bad, Reply(b"", reset=True), reply(200, b"{}"))) as server:
        assert endpoint(server).get("/x") == {}
    assert len(server.asked) == 3


def test_an_endpoint_that_stays_away_is_a_temporary_failure_that_says_so() -> None:
    with ScriptedServer(in_turn(reply(503, b"{}"))) as server, pytest.raises(Temporary, match="/pods/x answers 503"):
        endpoint(server, 0.2).get("/x?token=secret")
