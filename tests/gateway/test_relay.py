"""What a transaction wants told is told, once at least, in whatever order things break."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from cloudevents.core.bindings.http import HTTPMessage

from functions.errors import Temporary
from functions.events import Emitter, parse
from functions.jobs import Request, Runtime
from functions.objects_directory import DirectoryStore
from functions.records import REQUEST, Records, render_lines
from gateway.catalog.outbox import CANCEL, Letter
from gateway.catalog.outbox import REQUEST as ASKED
from gateway.relay import Relay
from tests.functions.world import KEYS


class Tray:
    """An outbox in memory."""

    def __init__(self, letters: Sequence[Letter]) -> None:
        self.letters, self.empty = list(letters), threading.Event()

    def take(self, limit: int) -> Sequence[Letter]:
        return self.letters[:limit]

    def forget(self, letters: Sequence[Letter]) -> None:
        self.letters = [letter for letter in self.letters if letter not in letters]
        if not self.letters:
            self.empty.set()


class Wire:
    """A broker that refuses its first messages."""

    def __init__(self, refusals: int = 0) -> None:
        self.taken: list[HTTPMessage] = []
        self.refusals = refusals

    def __call__(self, message: HTTPMessage) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Temporary("The broker is away.")
        self.taken.append(message)

    def told(self) -> list[str]:
        return [parse(m.headers, m.body, KEYS).id for m in self.taken]


def letter(number: int, kind: str = ASKED) -> Letter:
    request = Request(f"{number}-a", "ward", number, 3, "pl-x", "1", ("x",), Runtime("image", "x"))
    return Letter(number, kind, request.job, render_lines(request.as_dict(), ()))


def make(tmp_path: Path, tray: Tray, wire: Wire) -> Relay:
    return Relay(tray, Records(DirectoryStore(tmp_path)), Emitter("gateway", "ward", KEYS, wire))


def test_a_request_is_a_record_before_it_is_an_event(tmp_path: Path) -> None:
    tray, wire = Tray([letter(1)]), Wire()
    relay = make(tmp_path, tray, wire)
    assert relay.drain()
    assert relay.records.read("1-a", REQUEST)["instance"] == 1
    assert wire.told() == ["jobs/1-a/job.requested"]
    assert parse(wire.taken[0].headers, wire.taken[0].body, KEYS).feed == "3"
    assert tray.letters == []


def test_a_wish_to_cancel_is_an_event_alone(tmp_path: Path) -> None:
    tray, wire = Tray([letter(1, CANCEL)]), Wire()
    assert make(tmp_path, tray, wire).drain()
    assert wire.told() == ["jobs/1-a/cancel.requested"]


def test_what_could_not_be_sent_stays_and_is_sent_later(tmp_path: Path) -> None:
    tray, wire = Tray([letter(n) for n in range(1, 6)]), Wire(refusals=2)
    relay = make(tmp_path, tray, wire)
    assert not relay.drain()
    assert len(tray.letters) == 2
    assert relay.drain()
    assert sorted(wire.told()) == [f"jobs/{n}-a/job.requested" for n in range(1, 6)]


def test_a_letter_that_was_sent_but_not_forgotten_is_sent_again(tmp_path: Path) -> None:
    tray, wire = Tray([letter(1)]), Wire()
    relay = make(tmp_path, tray, wire)
    relay.send(tray.letters[0])
    assert relay.drain()
    assert wire.told() == ["jobs/1-a/job.requested"] * 2


def test_a_damaged_letter_does_not_hold_up_the_others(tmp_path: Path) -> None:
    tray, wire = Tray([letter(1), letter(2)]), Wire()
    relay = make(tmp_path, tray, wire)
    relay.records.store.create(".chrysalis/jobs/1-a/request", b"{}\n")
    assert relay.drain()
    assert "jobs/2-a/job.requested" in wire.told()


def test_woken_it_empties_the_outbox_in_its_own_thread_and_tries_again_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.relay.FIRST_PAUSE", 0.01)
    tray, wire = Tray([letter(n) for n in range(1, 40)]), Wire(refusals=3)
    relay = make(tmp_path, tray, wire)
    relay.start()
    assert tray.empty.wait(10)
    relay.close()
    assert len(set(wire.told())) == 39
