from __future__ import annotations

import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from gateway.cli import upload
from gateway.cli.faults import Fault, Refused
from tests.gateway.cli.server import answering, reply


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 1000)
    return folder


def test_a_folder_keeps_its_inner_paths_and_files_lie_beside_it(tmp_path: Path) -> None:
    fill(tmp_path / "scan", "b/2", "a")
    fill(tmp_path, "notes.txt")
    items = upload.plan((tmp_path / "scan", tmp_path / "notes.txt"), "/home/me/uploads/x/")
    assert [item.target for item in items] == [f"home/me/uploads/x/{name}" for name in ("a", "b/2", "notes.txt")]
    assert items[0].size == 1000


def test_nothing_to_send_is_said(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="There is no file in"):
        upload.plan((tmp_path,), "home/me/uploads/x")


@pytest.mark.parametrize("name", ["a,b", "x.chrislink"])
def test_a_name_that_the_tree_cannot_hold_is_refused_before_anything_is_sent(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "good", name)
    with pytest.raises(Fault, match="rename it"):
        upload.plan((tmp_path,), "home/me/uploads/x")


def test_two_files_with_one_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="would both become"):
        upload.plan((fill(tmp_path / "one", "a"), fill(tmp_path / "two", "a")), "home/me/uploads/x")


def test_the_form_is_what_a_mail_parser_reads_too(tmp_path: Path) -> None:
    """Field names, file name and bytes, with a name that would break a careless header."""
    name = 'odd "name"; filename=x\r\n.dcm'
    (tmp_path / name).write_bytes(b"\r\n--bytes\0")
    bodies: list[bytes] = []

    def keep(handler: BaseHTTPRequestHandler) -> None:
        kind = handler.headers["Content-Type"].encode()
        bodies.append(
            b"Content-Type: " + kind + b"\r\n\r\n" + handler.rfile.read(int(handler.headers["Content-Length"]))
        )
        reply(handler, b"{}", status=201)

    item = upload.Item(tmp_path / name, "home/me/uploads/x/odd", 10)
    with answering(keep) as client:
        upload.send(client, item, advance=lambda count: None)
    fields = list(message_from_bytes(bodies[0], policy=policy.HTTP).iter_parts())
    assert [part.get_param("name", header="content-disposition") for part in fields] == ["upload_path", "fname"]
    assert fields[0].get_payload(decode=True) == b"home/me/uploads/x/odd"
    assert fields[1].get_payload(decode=True) == b"\r\n--bytes\0"
    assert fields[1].get_filename() == "odd %22name%22; filename=x%0D%0A.dcm"


def test_a_file_that_shrinks_while_it_is_sent_is_not_taken_for_whole(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    item = upload.Item(tmp_path / "a", "home/me/uploads/x/a", 5000)
    with answering(lambda handler: reply(handler, b"{}")) as client, pytest.raises(Fault, match="became shorter"):
        upload.send(client, item, advance=lambda count: None)


def test_the_first_refusal_stops_the_rest(tmp_path: Path) -> None:
    fill(tmp_path, *(str(number) for number in range(200)))
    seen: list[int] = []
    lock = threading.Lock()

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        with lock:
            seen.append(1)
        reply(handler, b'{"upload_path": ["Not yours."]}', status=400)

    with answering(refuse) as client, pytest.raises(Refused, match="Not yours"):
        upload.upload(client, upload.plan((tmp_path,), "home/other/uploads"), advance=lambda count: None)
    assert len(seen) < 50
