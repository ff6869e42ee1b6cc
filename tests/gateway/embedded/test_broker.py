"""The embedded broker: at least once, retries, dead letters, replies, order of turns, faults."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.errors import Permanent, Temporary
from gateway.embedded.answers import Answer
from gateway.embedded.broker import Backoff, Broker, Subscriber
from gateway.embedded.journal import Change, Delivery, Journal, read_dead_letters
from tests.gateway.embedded.naps import fall_asleep

QUICK = Backoff(first=0.001, retries=3, jitter=0)
DONE = Answer(204)


def headers(*, type: str = "wanted", id: str = "1") -> dict[str, str]:
    return {"ce-specversion": "1.0", "ce-id": id, "ce-source": "/test", "ce-type": type}


@dataclass
class Listener:
    """A subscriber that keeps what it gets; it gives its answers one after another, and the last for ever."""

    answers: list[Answer | Exception] = field(default_factory=lambda: [DONE])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __call__(self, headers: dict[str, str], body: bytes) -> Answer:
        self.got.append((headers, body))
        self.times.append(time.monotonic())
        answer = self.answers[min(len(self.got), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def ids(self) -> list[str]:
        return [headers["ce-id"] for headers, _ in self.got]


Start = Callable[..., Broker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a broker; each call uses the same database, as a restarted server does."""
    brokers: list[Broker] = []

    def begin(*subscribers: Subscriber, **options: object) -> Broker:
        broker = Broker(tmp_path / "broker.db", **({"backoff": QUICK} | options))  # type: ignore[arg-type]
        broker.start(subscribers)
        brokers.append(broker)
        return broker

    yield begin
    for broker in brokers:
        broker.close()


def subscriber(deliver: Callable[[dict[str, str], bytes], Answer], name: str = "one", limit: int = 0) -> Subscriber:
    return Subscriber(name, frozenset({"wanted"}), deliver, limit)


# what is delivered


def test_a_message_reaches_who_asked_for_its_type(start: Start) -> None:
    one, other, audit = Listener(), Listener(), Listener()
    broker = start(
        subscriber(one),
        Subscriber("other", frozenset({"unwanted"}), other),
        Subscriber("audit", frozenset(), audit),
    )
    assert broker.publish({"Ce-Type": "wanted"} | {"Ce-Id": "1", "CE-SOURCE": "/s", "ce-specversion": "1.0"}, b"x") == 2
    assert broker.wait_idle(5)
    assert one.got == [({"ce-type": "wanted", "ce-id": "1", "ce-source": "/s", "ce-specversion": "1.0"}, b"x")]
    assert (len(audit.got), len(other.got)) == (1, 0)


def test_a_message_that_nobody_wants_is_gone(start: Start) -> None:
    broker = start(subscriber(Listener()))
    assert broker.publish(headers(type="unheard"), b"") == 0
    assert broker.pending() == 0


def test_what_is_no_event_is_refused(start: Start) -> None:
    broker = start(subscriber(Listener()))
    with pytest.raises(Permanent, match="lacks ce-id, ce-source"):
        broker.publish({"ce-specversion": "1.0", "ce-type": "wanted"}, b"")


def test_a_broker_that_does_not_run_takes_nothing(start: Start, tmp_path: Path) -> None:
    broker = Broker(tmp_path / "other.db")
    with pytest.raises(Temporary, match="not running"):
        broker.publish(headers(), b"")
    broker.close()


@given(st.binary(max_size=300), st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_arrives_is_what_was_sent(tmp_path: Path, body: bytes, extra: dict[str, str]) -> None:
    listener = Listener()
    sent = {name.lower(): value for name, value in extra.items()} | headers()
    path = tmp_path / "broker.db"
    journal = Journal(path)
    journal.write(Change(add=(Delivery(journal.newest() + 1, "one", sent, body),)))
    journal.close()
    broker = Broker(path)
    broker.start([subscriber(listener)])
    assert broker.wait_idle(5)
    broker.close()
    assert listener.got == [(sent, body)]


# the answer table, as it shows outside (test_answers.py has all of it)


@pytest.mark.parametrize(
    ("answer", "tries", "code"),
    [
        (Answer(204), 1, "delivered"),
        (Answer(202), 1, "delivered"),
        (Answer(400, body=b"bad"), 1, 400),
        (Answer(401), 1, 401),
        (Answer(422, body=b"no such series"), 1, 422),
        (Answer(404), 4, 404),
        (Answer(408), 4, 408),
        (Answer(409), 4, 409),
        (Answer(429), 4, 429),
        (Answer(503, body=b"later"), 4, 503),
        (Answer(200, body=b"{}"), 4, None),
        (ValueError("boom"), 4, None),
    ],
    ids=lambda value: str(getattr(value, "status", value)),
)
def test_an_answer_decides_tries_and_dead_letter(
    start: Start, answer: Answer | Exception, tries: int, code: int | str | None
) -> None:
    listener = Listener([answer])
    broker = start(subscriber(listener))
    broker.publish(headers(), b"body")
    assert broker.wait_idle(5)
    assert len(listener.got) == tries
    letters = broker.dead_letters()
    if code == "delivered":
        assert letters == []
    else:
        [letter] = letters
        assert (letter.code, letter.delivery.subscriber, letter.delivery.body) == (code, "one", b"body")
        assert letter.data == (answer.body if isinstance(answer, Answer) else b"ValueError: boom")


def test_a_reply_goes_back_into_the_broker(start: Start) -> None:
    end = Listener()
    reply = Answer(200, headers(type="reply", id="2"), b"next")
    broker = start(subscriber(Listener([reply])), Subscriber("end", frozenset({"reply"}), end))
    broker.publish(headers(), b"")
    assert broker.wait_idle(5)
    assert end.got == [(headers(type="reply", id="2"), b"next")]


def test_a_reply_to_nobody_is_done(start: Start) -> None:
    broker = start(subscriber(Listener([Answer(200, headers(type="unheard"))])))
    broker.publish(headers(), b"")
    assert broker.wait_idle(5)
    assert broker.dead_letters() == []


def test_a_loop_of_replies_ends_as_in_knative(start: Start) -> None:
    listener = Listener([Answer(200, headers())])
    broker = start(subscriber(listener))
    broker.publish(headers(), b"")
    assert broker.wait_idle(20)
    assert len(listener.got) == 255


# retries


def test_the_delay_doubles_up_to_the_longest() -> None:
    backoff = Backoff(first=0.2, retries=10, jitter=0.5, longest=60)
    assert [backoff.delay(attempt, 0) for attempt in range(4)] == [0.2, 0.4, 0.8, 1.6]
    assert backoff.delay(30, 0) == 60
    assert backoff.delay(0, 0.999) < 0.3


def test_retries_keep_their_distance(start: Start) -> None:
    listener = Listener([Answer(503), Answer(503), DONE])
    broker = start(subscriber(listener), backoff=Backoff(first=0.05, jitter=0))
    broker.publish(headers(), b"")
    assert broker.wait_idle(5)
    first, second = (later - earlier for earlier, later in pairwise(listener.times))
    assert first >= 0.05
    assert second >= 0.1


def test_a_retry_delays_nobody_else(start: Start) -> None:
    listener = Listener([Answer(503), DONE])
    broker = start(subscriber(listener), workers=1, backoff=Backoff(first=0.5, jitter=0))
    broker.publish(headers(id="slow"), b"")
    while not listener.got:
        time.sleep(0.001)
    broker.publish(headers(id="quick"), b"")
    assert broker.wait_idle(5)
    assert listener.ids == ["slow", "quick", "slow"]


def test_the_count_of_retries_survives_a_restart(start: Start) -> None:
    listener = Listener([Answer(503)])
    slow = Backoff(first=60, jitter=0, retries=1)
    broker = start(subscriber(listener), backoff=slow)
    broker.publish(headers(), b"")
    while broker.journal.load()[0].attempt == 0:
        time.sleep(0.001)
    assert broker.close()
    broker = start(subscriber(listener), backoff=slow)
    assert broker.wait_idle(5)
    assert (len(listener.got), len(broker.dead_letters())) == (2, 1)


# dead letters


def test_dead_letters_survive_a_restart_and_are_seen_from_outside(start: Start, tmp_path: Path) -> None:
    broker = start(subscriber(Listener([Answer(422, body=b"why")])))
    broker.publish(headers(id="7"), b"kept")
    assert broker.wait_idle(5)
    assert [letter.data for letter in read_dead_letters(tmp_path / "broker.db")] == [b"why"]
    broker.close()
    assert [letter.delivery.event_id for letter in start().dead_letters()] == ["7"]


def test_a_replay_goes_to_the_subscriber_that_failed(start: Start) -> None:
    failing, audit = Listener([Answer(422), Answer(422), DONE]), Listener()
    broker = start(subscriber(failing, limit=1), Subscriber("audit", frozenset(), audit))
    broker.publish(headers(id="1"), b"")
    broker.publish(headers(id="2"), b"")
    assert broker.wait_idle(5)
    first, second = broker.dead_letters()
    assert broker.replay([second.id]) == 1
    assert broker.wait_idle(5)
    assert broker.dead_letters() == [first]
    assert broker.replay() == 1
    assert broker.wait_idle(5)
    assert broker.dead_letters() == []
    assert (failing.ids, sorted(audit.ids)) == (["1", "2", "2", "1"], ["1", "2"])


def test_a_replay_that_fails_is_a_dead_letter_again(start: Start) -> None:
    broker = start(subscriber(Listener([Answer(422)])))
    broker.publish(headers(), b"")
    assert broker.wait_idle(5)
    broker.replay()
    assert broker.wait_idle(5)
    assert len(broker.dead_letters()) == 1


def test_a_purge_forgets_what_it_names(start: Start) -> None:
    broker = start(subscriber(Listener([Answer(422)])))
    for number in range(3):
        broker.publish(headers(id=str(number)), b"")
    assert broker.wait_idle(5)
    kept = broker.dead_letters()[1]
    assert broker.purge(letter.id for letter in broker.dead_letters() if letter != kept) == 2
    assert broker.dead_letters() == [kept]
    assert broker.purge() == 1


def test_a_message_for_a_subscriber_that_is_no_more_is_a_dead_letter(start: Start) -> None:
    broker = start(subscriber(Listener([Answer(503)]), name="old"), backoff=Backoff(first=60))
    broker.publish(headers(), b"")
    broker.close()
    broker = start(subscriber(Listener(), name="new"))
    assert broker.wait_idle(5)
    assert [letter.delivery.subscriber for letter in broker.dead_letters()] == ["old"]
    assert broker.replay() == 0


def test_there_are_no_dead_letters_where_no_broker_has_been(tmp_path: Path) -> None:
    assert read_dead_letters(tmp_path / "broker.db") == []


# concurrency


def test_a_subscriber_is_not_asked_beyond_its_limit(start: Start) -> None:
    now, most, lock = Counter[str](), Counter[str](), threading.Lock()
    both = threading.Barrier(2)

    def deliver(name: str) -> Callable[[Mapping[str, str], bytes], Answer]:
        def count(_: Mapping[str, str], body: bytes) -> Answer:
            with lock:
                now[name] += 1
                most[name] = max(most[name], now[name])
            if name == "two" and body == b"meet":
                both.wait(5)
            with lock:
                now[name] -= 1
            return DONE

        return count

    broker = start(subscriber(deliver("single"), "single", limit=1), subscriber(deliver("two"), "two", limit=2))
    for _ in range(20):
        broker.publish(headers(), b"meet")
    assert broker.wait_idle(10)
    assert most == {"single": 1, "two": 2}


def test_a_stuck_subscriber_does_not_hold_the_others(start: Start) -> None:
    stuck, others = threading.Event(), Listener()

    def wait(_: Mapping[str, str], __: bytes) -> Answer:
        stuck.wait(10)
        return DONE

    broker = start(subscriber(wait, "stuck", limit=1), subscriber(others, "others"), workers=2)
    for number in range(20):
        broker.publish(headers(id=str(number)), b"")
    until = time.monotonic() + 5
    while len(others.got) < 20 and time.monotonic() < until:
        time.sleep(0.001)
    assert len(others.got) == 20
    stuck.set()
    assert broker.wait_idle(5)


def test_many_publishers_lose_nothing_and_double_nothing(start: Start) -> None:
    listener = Listener()
    broker = start(subscriber(listener))

    def publish(sender: int) -> None:
        for number in range(100):
            broker.publish(headers(id=f"{sender}-{number}"), b"")

    senders = [threading.Thread(target=publish, args=(sender,)) for sender in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert broker.wait_idle(20)
    assert Counter(listener.ids) == Counter(f"{sender}-{number}" for sender in range(8) for number in range(100))
    assert broker.journal.load() == []


def test_an_idle_broker_does_not_wake(start: Start) -> None:
    broker = start(subscriber(Listener()))
    broker.publish(headers(), b"")
    assert broker.wait_idle(5)
    assert fall_asleep(lambda name: name.startswith("broker-")) == 5


# the interceptor


@given(st.lists(st.lists(st.floats(0, 0.01), max_size=3), min_size=1, max_size=20))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_interceptor_drops_doubles_and_delays(tmp_path: Path, plan: list[list[float]]) -> None:
    listener, steps = Listener(), iter(plan)
    broker = Broker(tmp_path / "broker.db", interceptor=lambda _: next(steps))
    broker.start([subscriber(listener)])
    for number in range(len(plan)):
        broker.publish(headers(id=str(number)), b"")
    assert broker.wait_idle(5)
    left = broker.journal.load()
    broker.close()
    assert left == []
    assert Counter(listener.ids) == Counter({str(n): len(delays) for n, delays in enumerate(plan) if delays})


def test_an_interceptor_reorders(start: Start) -> None:
    listener, delays = Listener(), iter([0.8, 0.4, 0.0])
    broker = start(subscriber(listener), interceptor=lambda _: [next(delays)])
    for id in ("first", "second", "third"):
        broker.publish(headers(id=id), b"")
    assert broker.wait_idle(5)
    assert listener.ids == ["third", "second", "first"]


# the end


def test_closing_waits_for_the_running_and_keeps_the_rest(start: Start) -> None:
    begun, go, listener = threading.Event(), threading.Event(), Listener()

    def slow(got: dict[str, str], body: bytes) -> Answer:
        begun.set()
        go.wait(5)
        return listener(got, body)

    broker = start(subscriber(slow, limit=1))
    broker.publish(headers(id="running"), b"")
    broker.publish(headers(id="waiting"), b"")
    assert begun.wait(5)
    closing = threading.Timer(0.05, go.set)
    closing.start()
    assert broker.close()
    assert listener.ids == ["running"]
    assert start(subscriber(listener)).wait_idle(5)
    assert listener.ids == ["running", "waiting"]


def test_a_delivery_that_outlasts_the_close_is_made_again(start: Start) -> None:
    begun, go, again = threading.Event(), threading.Event(), Listener()

    def stubborn(_: Mapping[str, str], __: bytes) -> Answer:
        begun.set()
        go.wait(5)
        return DONE

    broker = start(subscriber(stubborn))
    broker.publish(headers(), b"")
    assert begun.wait(5)
    assert not broker.close(0.01)
    go.set()
    assert start(subscriber(again)).wait_idle(5)
    assert len(again.got) == 1


def test_what_cannot_be_settled_is_delivered_again(start: Start) -> None:
    """The subscriber has answered, but the database could not take it down: at least once."""
    listener, broken = Listener(), threading.Event()

    def answer(got: dict[str, str], body: bytes) -> Answer:
        if not broken.is_set():
            broken.set()
            broker.journal._database.execute("PRAGMA query_only=1")
        else:
            broker.journal._database.execute("PRAGMA query_only=0")
        return listener(got, body)

    broker = start(subscriber(answer), backoff=Backoff(first=0.001, longest=0.05, jitter=0))
    broker.publish(headers(), b"")
    assert broker.wait_idle(5)
    assert listener.ids == ["1", "1"]
    assert broker.journal.load() == []
