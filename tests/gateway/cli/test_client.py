from __future__ import annotations

import json
import re
import socket
from http.server import BaseHTTPRequestHandler

import pytest

from gateway.cli.client import Client
from gateway.cli.credentials import Credentials
from gateway.cli.faults import REFUSED, UNREACHABLE, Refused, Unreachable
from tests.gateway.cli.server import answering, reply


def nobody() -> Client:
    """A client of a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return Client(Credentials(f"http://127.0.0.1:{port}", ""), seconds=5)


def test_no_server_is_said_with_the_next_step() -> None:
    with pytest.raises(Unreachable, match="chrysalis serve") as told:
        nobody().get("plugins/")
    assert told.value.exit_code == UNREACHABLE


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (400, {"title": ["Too long.", "Too odd."]}, "refuses: title: Too long. Too odd."),
        (400, {"non_field_errors": ["No."]}, "refuses: No."),
        (401, {"detail": "Invalid token."}, "does not know you \\(Invalid token.\\): set CHRYSALIS_TOKEN"),
        (403, {"detail": "No."}, "You may not do that"),
        (404, {"detail": "No Feed."}, "check the number or the path"),
        (500, {"error": "Internal server error"}, "its own log"),
        (503, None, "503 Service Unavailable"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(status: int, body: object, sentence: str) -> None:
    text = json.dumps(body).encode()
    with answering(lambda handler: reply(handler, text, status=status)) as client, pytest.raises(Refused) as told:
        client.get("anything/")
    assert re.search(sentence, told.value.message)
    assert (told.value.exit_code, told.value.status) == (REFUSED, status)


def test_a_page_that_is_no_api_is_told_as_such() -> None:
    page = b"<html>router login</html>"
    with answering(lambda handler: reply(handler, page)) as client, pytest.raises(Refused, match="is CHRYSALIS_URL"):
        client.get("plugins/")


def test_the_token_does_not_follow_a_redirect() -> None:
    seen: list[str] = []

    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.path)
        handler.send_response(302)
        handler.send_header("Location", "/stolen/")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with answering(elsewhere) as client, pytest.raises(Refused, match="302"):
        client.get("plugins/")
    assert seen == ["/api/v1/plugins/"]


def test_a_kept_connection_that_died_is_opened_again() -> None:
    """The server closes after each answer without saying so; a GET is repeated, and nobody notices."""

    def closing(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, b"{}")
        handler.close_connection = True

    with answering(closing) as client:
        assert [client.get("plugins/") for _ in range(5)] == [{}] * 5


def test_a_post_is_sent_once_even_if_its_answer_is_lost() -> None:
    posts: list[str] = []

    def lost(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if handler.command == "POST":
            posts.append(handler.path)
            handler.close_connection = True
        else:
            reply(handler, b"{}")

    with answering(lost) as client:
        client.get("plugins/")
        with pytest.raises(Unreachable):
            client.post("plugins/1/instances/", {})
    assert len(posts) == 1


def test_lists_are_read_to_their_end() -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        offset = int(handler.path.rpartition("offset=")[2])
        value = {"results": [{"id": offset}], "next": "http://elsewhere.example/" if offset < 2 else None}
        reply(handler, json.dumps(value).encode())

    with answering(page) as client:
        assert [item["id"] for item in client.pages("feeds/")] == [0, 1, 2]
