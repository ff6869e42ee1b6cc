"""Facts about Knative's broker that every handler leans on: what is retried, what is not, who waits for whom."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator

import pytest

from tests.cluster import levers, shapes
from tests.cluster.api import Object
from tests.cluster.room import Peer, Room, until

RETRIES = 2
DELIVERY: Object = {"retry": RETRIES, "backoffPolicy": "exponential", "backoffDelay": "PT0.1S"}
EVENT_HEADERS = {
    "ce-specversion": "1.0",
    "ce-source": "/peer",
    "ce-type": "io.test.reply",
    "content-type": "application/json",
}
TEMPORARY = (404, 408, 409, 429, 500, 503)
PERMANENT = (400, 422)


@pytest.fixture(scope="module")
def house(shared_room: Room) -> Iterator[tuple[Room, Peer]]:
    """A broker and a peer, for the whole module. Each test has event types and boxes of its own."""
    hall = shapes.broker(shared_room.name)
    shared_room.apply(hall)
    peer = shared_room.peer()
    shared_room.api.wait(hall, "Ready")
    yield shared_room, peer


class Route:
    """A trigger from an event type of its own to a box of the peer, with a dead-letter box."""

    def __init__(self, house: tuple[Room, Peer], *, dead_letter: bool = True, boxes: int = 1) -> None:
        self.room, self.peer = house
        name = f"t{secrets.token_hex(4)}"
        self.type, self.dead = f"io.test.{name}", f"dead-{name}"
        self.boxes = [f"box-{name}-{number}" for number in range(boxes)]
        self.box = self.boxes[0]
        delivery = dict(DELIVERY)
        if dead_letter:
            delivery["deadLetterSink"] = {"uri": self.peer.address(self.dead)}
        for box in self.boxes:
            self.add(box, self.type, delivery)

    def add(self, box: str, kind: str, delivery: Object | None = None) -> None:
        thing = shapes.trigger(
            self.room.name, box, self.peer.address(box), filters={"type": kind}, delivery=delivery or DELIVERY
        )
        self.room.apply(thing)
        self.room.api.wait(thing, "Ready")
        until(lambda: self._known(box, kind), f"trigger {box} that delivers", every=0.2)

    def _known(self, box: str, kind: str) -> bool:
        """Ready comes a little before the ingress and the filter have heard of it."""
        if not self.peer.came(box):
            self.peer.send({"type": kind, "id": "canary"})
        return bool(self.peer.came(box))

    def send(self, **event: str) -> Object:
        return self.peer.send({"type": self.type, **event})

    def buried(self, event: str) -> list[Object]:
        """Dead letters of one event; the canary's own are nobody's concern."""
        return self.came(event, self.dead)

    def bury(self, event: str) -> Object:
        """The one dead letter of an event, once it is there."""
        (dead,) = until(lambda: self.buried(event), f"dead letter of {event}")
        return dead

    def came(self, event: str, box: str = "") -> list[Object]:
        return [each for each in self.peer.came(box or self.box) if each["headers"]["ce-id"] == event]


@pytest.mark.parametrize("status", TEMPORARY)
def test_a_temporary_answer_is_tried_again(house: tuple[Room, Peer], status: int) -> None:
    route = Route(house)
    route.peer.plan(route.box, {"status": status}, {"status": 204})
    assert route.send(id="again")["status"] == 202
    assert len(route.came("again")) == 2
    assert route.buried("again") == []


@pytest.mark.parametrize("status", PERMANENT)
def test_a_permanent_answer_goes_to_the_dead_letter_at_once(house: tuple[Room, Peer], status: int) -> None:
    route = Route(house)
    route.peer.plan(route.box, {"status": status, "body": "the reason"})
    assert route.send(id="refused")["status"] == 202
    assert len(route.came("refused")) == 1
    dead = route.bury("refused")
    assert dead["headers"]["ce-knativeerrorcode"] == str(status)
    assert base64.b64decode(dead["headers"]["ce-knativeerrordata"]) == b"the reason"
    assert dead["headers"]["ce-knativeerrordest"].startswith(route.peer.address(route.box))


def test_a_temporary_answer_for_ever_ends_in_the_dead_letter(house: tuple[Room, Peer]) -> None:
    route = Route(house)
    route.peer.plan(route.box, {"status": 503})
    route.send(id="never")
    assert len(route.came("never")) == 1 + RETRIES
    dead = route.bury("never")
    assert dead["headers"]["ce-knativeerrorcode"] == "503"


def test_a_plain_body_with_200_counts_as_a_failure(house: tuple[Room, Peer]) -> None:
    route = Route(house)
    route.peer.plan(route.box, {"status": 200, "body": "ok", "headers": {"content-type": "text/plain"}})
    route.send(id="chatty")
    assert len(route.came("chatty")) == 1 + RETRIES
    route.bury("chatty")


def test_204_is_taken_and_nothing_comes_back(house: tuple[Room, Peer]) -> None:
    route = Route(house)
    assert route.send(id="taken")["status"] == 202
    assert len(route.came("taken")) == 1
    assert route.buried("taken") == []


def test_a_slow_handler_makes_the_sender_wait(house: tuple[Room, Peer]) -> None:
    route = Route(house)
    route.peer.plan(route.box, {"status": 204, "seconds": 3})
    assert route.send(id="slow")["seconds"] >= 3


def test_one_failed_handler_is_the_senders_500_although_another_succeeded(house: tuple[Room, Peer]) -> None:
    route = Route(house, dead_letter=False, boxes=2)
    good, bad = route.boxes
    route.peer.plan(bad, {"status": 400})
    assert route.send(id="half")["status"] == 500
    assert len(route.came("half", good)) == 1


def test_an_event_sent_twice_is_delivered_twice(house: tuple[Room, Peer]) -> None:
    route = Route(house)
    for _ in range(2):
        route.send(id="twin")
    assert len(route.came("twin")) == 2


def test_an_event_that_nobody_wants_is_accepted_and_gone(house: tuple[Room, Peer]) -> None:
    _, peer = house
    assert peer.send({"type": "io.test.unwanted"})["status"] == 202


def test_a_reply_goes_back_into_the_broker(house: tuple[Room, Peer]) -> None:
    route = Route(house)
    echo, kind = f"echo-{route.box}", f"{route.type}.reply"
    route.add(echo, kind)
    headers = {**EVENT_HEADERS, "ce-id": "reply", "ce-type": kind}
    route.peer.plan(route.box, {"status": 200, "body": "{}", "headers": headers})
    route.send(id="asks")
    until(lambda: route.came("reply", echo), "reply")


def test_extensions_reach_the_handler(house: tuple[Room, Peer]) -> None:
    route = Route(house)
    route.send(id="told", tenant="a", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    (came,) = route.came("told")
    assert came["headers"]["ce-tenant"] == "a"


def test_a_broker_that_is_away_is_an_error_for_the_sender_and_comes_back(house: tuple[Room, Peer]) -> None:
    """Nothing is stored on the way: the sender must keep what it has not been told was taken."""
    route = Route(house)
    with levers.without_broker(route.room.api):
        assert route.send(id="while-away")["status"] not in range(200, 300)
    until(lambda: route.send(id="after")["status"] == 202, "broker that takes events again", every=0.5)
    assert len(route.came("after")) == 1
    assert route.came("while-away") == []
