from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.cli import download
from gateway.cli.download import Remote
from gateway.cli.faults import Fault, Unreachable
from tests.gateway.cli.server import answering, reply

BODY = bytes(range(256)) * 4096


class Tally:
    def __init__(self) -> None:
        self.bytes = 0

    def __call__(self, count: int) -> None:
        self.bytes += count


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "..", "a\\b", "a\0b", ""])
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(Fault, match="outside the folder"):
        download.safe(name)


@given(some.text(max_size=40))
def test_a_name_that_is_kept_stays_below_the_folder(name: str) -> None:
    try:
        kept = download.safe(name)
    except Fault:
        return
    target = Path("/safe") / kept
    assert target.is_relative_to("/safe")
    assert ".." not in target.parts


def test_a_file_of_another_folder_is_refused() -> None:
    with pytest.raises(Fault, match="below 'home/me/feeds/feed_1'"):
        download.remote({"fname": "home/me/feeds/feed_10/a", "id": 1, "fsize": 1}, "home/me/feeds/feed_1")


def test_a_link_in_the_target_is_not_followed_out(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "into").mkdir()
    (tmp_path / "into/a").symlink_to(tmp_path / "out")
    with answering(lambda handler: reply(handler, BODY)) as client, pytest.raises(Fault, match="through a link"):
        download.fetch(client, Remote(1, "a/b", len(BODY)), tmp_path / "into", advance=Tally())
    assert not list((tmp_path / "out").iterdir())


def test_a_broken_transfer_goes_on_where_it_was(tmp_path: Path) -> None:
    """The server breaks off twice; each time the rest is asked for, and the bytes are those of the file."""
    starts: list[int] = []

    def breaking(handler: BaseHTTPRequestHandler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        starts.append(start)
        rest = BODY[start:]
        cut = rest if len(starts) > 2 else rest[:300_000]
        reply(handler, cut, status=206 if start else 200, length=len(rest))
        handler.close_connection = True

    tally = Tally()
    with answering(breaking) as client:
        download.fetch(client, Remote(1, "a/b", len(BODY)), tmp_path, advance=tally)
    assert (tmp_path / "a/b").read_bytes() == BODY
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert tally.bytes == len(BODY)


def test_a_server_that_ignores_ranges_is_not_appended_to(tmp_path: Path) -> None:
    turns: list[int] = []

    def stubborn(handler: BaseHTTPRequestHandler) -> None:
        turns.append(1)
        reply(handler, BODY[:1000] if len(turns) == 1 else BODY, length=len(BODY))
        handler.close_connection = True

    tally = Tally()
    with answering(stubborn) as client:
        download.fetch(client, Remote(1, "a", len(BODY)), tmp_path, advance=tally)
    assert (tmp_path / "a").read_bytes() == BODY
    assert tally.bytes == len(BODY)


def test_a_file_of_the_wrong_size_is_never_there(tmp_path: Path) -> None:
    with answering(lambda handler: reply(handler, BODY[:-1])) as client, pytest.raises(Unreachable, match="of 1048576"):
        download.fetch(client, Remote(1, "a", len(BODY)), tmp_path, advance=Tally())
    assert not (tmp_path / "a").exists()


def test_what_is_there_already_is_not_fetched_again(tmp_path: Path) -> None:
    asked: list[str] = []
    lock = threading.Lock()

    def counting(handler: BaseHTTPRequestHandler) -> None:
        with lock:
            asked.append(handler.path)
        reply(handler, BODY)

    files = [Remote(number, f"folder/file {number}#?", len(BODY)) for number in range(3)]
    with answering(counting) as client:
        for _ in range(2):
            tally = Tally()
            download.download(client, files, tmp_path, advance=tally)
            assert tally.bytes == 3 * len(BODY)
    assert sorted(asked) == [f"/api/v1/filebrowser/files/{number}/file%20{number}%23%3F" for number in range(3)]
