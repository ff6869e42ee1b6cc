"""The broker of one machine: what a Knative Broker does on a cluster, in this process and durable.

A published message is in broker.db before `publish` returns, and its row goes only after a subscriber's answer has
settled it. So each message is delivered at least once, in no promised order, also if the process is killed with -9 at
any moment; a power cut may lose the last ones, which the sweep mends (see `journal.py`). `answers.py` has the table of
what an answer means. A delivery that failed is tried again after 0.2 s, 0.4 s, 0.8 s, ... as with Knative, and after
the last retry it becomes a dead letter: kept until somebody replays or purges it.

Idle means asleep: workers wait for work, and one thread waits until exactly the next delayed delivery is due.
"""

from __future__ import annotations

import heapq
import logging
import random
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from functions.errors import Failure, Permanent, Temporary
from gateway.embedded.answers import Answer, Fate, judge, lowered, missing
from gateway.embedded.journal import HOPS, Change, DeadLetter, Delivery, Journal

log = logging.getLogger(__name__)

Deliver = Callable[[dict[str, str], bytes], Answer]
"""Takes a CloudEvent in binary mode: headers with lower-case names, and a body."""

Interceptor = Callable[[Delivery], Sequence[float]]
"""For fault tests: when a new delivery is made, in seconds from now. `[0]` as usual, `[]` drops the message,
`[0, 0]` doubles it, `[0.5]` delays it; different delays reorder. Retries are not intercepted."""

LARGEST_DATA = 64 * 1024


@dataclass(frozen=True)
class Subscriber:
    """Who gets messages of these types (none named: of every type), `limit` at a time (0: as many as workers)."""

    name: str
    types: frozenset[str]
    deliver: Deliver
    limit: int = 0


@dataclass(frozen=True)
class Backoff:
    """Seconds before retry n (from 0) are `first * 2**n`, at most `longest`, plus up to `jitter` of it."""

    first: float = 0.2
    retries: int = 10
    jitter: float = 0.2
    longest: float = 300.0

    def delay(self, attempt: int, chance: float) -> float:
        """`chance` is a random number in [0, 1)."""
        return float(min(self.first * 2**attempt, self.longest) * (1 + self.jitter * chance))


class Broker:
    """Create it, `start` it with its subscribers, `publish`, `close` it. Any thread may call any method."""

    def __init__(
        self,
        path: Path,
        *,
        workers: int = 4,
        backoff: Backoff = Backoff(),
        interceptor: Interceptor | None = None,
    ) -> None:
        self.journal = Journal(path)
        self.backoff = backoff
        self._workers, self._interceptor = workers, interceptor
        self._subscribers: dict[str, Subscriber] = {}
        self._threads: list[threading.Thread] = []
        lock = threading.Lock()
        self._lock = lock
        self._work, self._sooner, self._quiet = (threading.Condition(lock) for _ in range(3))
        self._ready: dict[str, deque[Delivery]] = {}
        self._turns: deque[str] = deque()
        self._running: Counter[str] = Counter()
        self._delayed: list[tuple[float, int, Delivery]] = []
        self._pending, self._sequence, self._newest = 0, 0, self.journal.newest()
        self._open = False

    # life

    def start(self, subscribers: Iterable[Subscriber]) -> None:
        """Deliver what an earlier process has left, and take new messages."""
        self._subscribers = {subscriber.name: subscriber for subscriber in subscribers}
        self._ready = {name: deque() for name in self._subscribers}
        self._turns = deque(self._subscribers)
        left = self.journal.load()
        self._bury_unknown([delivery for delivery in left if delivery.subscriber not in self._subscribers])
        self._open = True
        names = [f"broker-{number}" for number in range(self._workers)]
        self._threads = [threading.Thread(target=self._serve, name=name, daemon=True) for name in names]
        self._threads.append(threading.Thread(target=self._wake_delayed, name="broker-delays", daemon=True))
        for thread in self._threads:
            thread.start()
        self._schedule([delivery for delivery in left if delivery.subscriber in self._subscribers])

    def close(self, timeout: float = 10.0) -> bool:
        """Take and begin nothing more, wait for the running deliveries; False if some still ran after `timeout`
        seconds. What is not settled stays in the database."""
        with self._lock:
            self._open = False
            for condition in (self._work, self._sooner, self._quiet):
                condition.notify_all()
        until = time.monotonic() + timeout
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        ended = not any(thread.is_alive() for thread in self._threads)
        self.journal.close()
        return ended

    def pending(self) -> int:
        """How many deliveries are accepted and not settled, retries that wait included."""
        with self._lock:
            return self._pending

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until nothing is pending; False if that did not come within `timeout` seconds."""
        with self._lock:
            return self._quiet.wait_for(lambda: self._pending == 0, timeout)

    # messages

    def publish(self, headers: Mapping[str, str], body: bytes) -> int:
        """Accept a CloudEvent in binary mode; when this returns, it is in the database.

        Returns the number of subscribers that will get it (0: it is gone, as with Knative). Raises Permanent if it is
        no CloudEvent, Temporary if the broker is not running or its database cannot be written.
        """
        lower = lowered(headers)
        if absent := missing(lower):
            raise Permanent(f"This is no CloudEvent in binary mode: it lacks {', '.join(absent)}.")
        deliveries = self._address(lower, body, HOPS)
        if deliveries:
            self.journal.write(Change(add=deliveries))
            self._schedule(deliveries)
        return len(deliveries)

    def dead_letters(self) -> list[DeadLetter]:
        """What was given up, oldest first."""
        return self.journal.dead_letters()

    def replay(self, ids: Iterable[int] | None = None) -> int:
        """Deliver dead letters again (None: all), each to the subscriber that failed; returns how many."""
        letters = [letter for letter in self.journal.dead_letters(ids) if letter.delivery.subscriber in self._ready]
        fresh = tuple(replace(letter.delivery, id=self._next_id(), attempt=0, hops=HOPS) for letter in letters)
        self.journal.write(Change(add=fresh, forget=tuple(letter.id for letter in letters)))
        self._schedule(fresh)
        return len(fresh)

    def purge(self, ids: Iterable[int] | None = None) -> int:
        """Forget dead letters (None: all); returns how many."""
        gone = tuple(letter.id for letter in self.journal.dead_letters(ids))
        self.journal.write(Change(forget=gone))
        return len(gone)

    # inside

    def _address(self, headers: dict[str, str], body: bytes, hops: int) -> tuple[Delivery, ...]:
        with self._lock:
            if not self._open:
                raise Temporary("The broker is not running; send the event again when the server is up.")
        type = headers["ce-type"]
        names = [s.name for s in self._subscribers.values() if not s.types or type in s.types]
        return tuple(Delivery(self._next_id(), name, headers, body, hops=hops) for name in names)

    def _next_id(self) -> int:
        with self._lock:
            self._newest += 1
            return self._newest

    def _schedule(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            delays = [0.0] if self._interceptor is None else list(self._interceptor(delivery))
            if not delays:
                self.journal.write(Change(remove=(delivery.id,)))
            with self._lock:
                self._pending += len(delays)
                for delay in delays:
                    self._put(delivery, delay)

    def _put(self, delivery: Delivery, delay: float) -> None:
        """Have a delivery made after `delay` seconds. The lock is held."""
        if delay <= 0:
            self._ready[delivery.subscriber].append(delivery)
            self._work.notify()
            return
        self._sequence += 1
        heapq.heappush(self._delayed, (time.monotonic() + delay, self._sequence, delivery))
        if self._delayed[0][1] == self._sequence:
            self._sooner.notify()

    def _wake_delayed(self) -> None:
        with self._lock:
            while self._open:
                now = time.monotonic()
                while self._delayed and self._delayed[0][0] <= now:
                    self._put(heapq.heappop(self._delayed)[2], 0)
                self._sooner.wait(self._delayed[0][0] - now if self._delayed else None)

    def _serve(self) -> None:
        while (delivery := self._take()) is not None:
            try:
                self._attempt(delivery)
            finally:
                self._release(delivery.subscriber)

    def _take(self) -> Delivery | None:
        with self._lock:
            while self._open:
                delivery = self._next_ready()
                if delivery is not None:
                    return delivery
                self._work.wait()
        return None

    def _next_ready(self) -> Delivery | None:
        """The next delivery that may begin: subscribers in turn, none above its limit. The lock is held."""
        for _ in range(len(self._turns)):
            name = self._turns[0]
            self._turns.rotate(-1)
            if self._ready[name] and self._has_room(name):
                self._running[name] += 1
                return self._ready[name].popleft()
        return None

    def _has_room(self, name: str) -> bool:
        limit = self._subscribers[name].limit
        return not limit or self._running[name] < limit

    def _release(self, name: str) -> None:
        with self._lock:
            self._running[name] -= 1
            if self._ready[name]:
                self._work.notify()

    def _attempt(self, delivery: Delivery) -> None:
        """Deliver once and settle the outcome. What cannot be written is delivered again: at least once."""
        answer, data = self._ask(delivery)
        try:
            self._settle(delivery, judge(answer), answer, data)
        except Failure as failure:
            log.warning("A delivery could not be settled: %s", failure, extra=describe(delivery, "broker.unsettled"))
            with self._lock:
                if self._open:
                    self._put(delivery, self.backoff.longest)

    def _ask(self, delivery: Delivery) -> tuple[Answer | None, bytes]:
        """The subscriber's answer, and what a dead letter would tell of it."""
        try:
            answer = self._subscribers[delivery.subscriber].deliver(dict(delivery.headers), delivery.body)
        except Exception as error:  # noqa: BLE001 (whatever a subscriber raises: there is no answer)
            log.warning("No answer: %s", locate(error), extra=describe(delivery, "broker.no_answer"))
            return None, f"{type(error).__name__}: {error}".encode()[:LARGEST_DATA]
        return answer, bytes(answer.body[:LARGEST_DATA])

    def _settle(self, delivery: Delivery, fate: Fate, answer: Answer | None, data: bytes) -> None:
        if fate is Fate.RETRIED and delivery.attempt < self.backoff.retries:
            self._retry(delivery)
            return
        replies: tuple[Delivery, ...] = ()
        if fate is Fate.REPLIED and answer is not None:
            replies = self._replies(delivery, answer)
        if fate in (Fate.DONE, Fate.REPLIED):
            self.journal.write(Change(add=replies, remove=(delivery.id,)))
        else:
            self._bury(delivery, answer, data)
        self._schedule(replies)
        with self._lock:
            self._pending -= 1
            if self._pending == 0:
                self._quiet.notify_all()

    def _retry(self, delivery: Delivery) -> None:
        later = replace(delivery, attempt=delivery.attempt + 1)
        self.journal.write(Change(again=(later,)))
        with self._lock:
            self._put(later, self.backoff.delay(delivery.attempt, random.random()))

    def _replies(self, delivery: Delivery, answer: Answer) -> tuple[Delivery, ...]:
        if delivery.hops <= 1:
            log.error("A chain of replies has no end; its last is dropped.", extra=describe(delivery, "broker.loop"))
            return ()
        return self._address(lowered(answer.headers), answer.body, delivery.hops - 1)

    def _bury(self, delivery: Delivery, answer: Answer | None, data: bytes) -> None:
        code = None if answer is None or 200 <= answer.status < 300 else answer.status
        self.journal.write(Change(bury=(DeadLetter(delivery, code, data),)))
        log.error("A message was given up; see the dead letters.", extra=describe(delivery, "broker.buried"))

    def _bury_unknown(self, deliveries: Sequence[Delivery]) -> None:
        sentence = b"There is no subscriber of this name any more."
        self.journal.write(Change(bury=tuple(DeadLetter(delivery, None, sentence) for delivery in deliveries)))


def locate(error: BaseException) -> str:
    """The kind of an error and the line that raised it: its text may tell of a patient, so it stays out of logs."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}" if frames else type(error).__name__


def describe(delivery: Delivery, action: str) -> dict[str, object]:
    """What a log line tells of a delivery: names and ids, never data."""
    return {
        "action": action,
        "subscriber": delivery.subscriber,
        "event_type": delivery.type,
        "event_id": delivery.event_id,
        "attempt": delivery.attempt,
    }
