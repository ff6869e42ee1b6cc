"""The threads of the web server: as many as there is work for, and no more than that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from gateway.embedded.threads import Threads


class Call:
    """A connection whose request is a function."""

    socket = None

    def __init__(self, request: Callable[[], object]) -> None:
        self.request = request
        self.closed = threading.Event()

    def communicate(self) -> bool:
        return bool(self.request())

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def kept() -> list[Call]:
    return []


@pytest.fixture
def threads(kept: list[Call]) -> Iterator[Threads]:
    threads = Threads(kept.append, least=2, most=6, linger=0.05)  # type: ignore[arg-type]
    yield threads
    threads.stop(1)


def wait_until(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + 5
    while not true() and time.monotonic() < until:
        time.sleep(0.005)
    return true()


def meet(threads: Threads, count: int) -> None:
    """Have `count` requests that end only when all of them run at once."""
    barrier = threading.Barrier(count + 1)
    for _ in range(count):
        threads.put(Call(lambda: barrier.wait(5) and False))
    barrier.wait(5)


def test_there_are_no_threads_before_there_is_work(threads: Threads) -> None:
    threads.start()
    assert threads.count() == 0


def test_the_pool_grows_to_its_limit_and_shrinks_to_what_it_keeps(threads: Threads) -> None:
    for _ in range(2):
        meet(threads, 6)
        assert wait_until(lambda: threads.count() == 2)


def test_beyond_the_limit_requests_wait_their_turn(threads: Threads) -> None:
    go, calls = threading.Event(), []
    for _ in range(10):
        calls.append(Call(lambda: go.wait(5) and False))
        threads.put(calls[-1])
    assert threads.count() == 6
    go.set()
    assert all(call.closed.wait(5) for call in calls)


def test_one_after_another_needs_one_thread(threads: Threads) -> None:
    for _ in range(50):
        call = Call(lambda: False)
        threads.put(call)
        assert call.closed.wait(5)
        assert wait_until(lambda: threads._idle == threads.count())
    assert threads.count() == 1


def test_a_connection_that_stays_open_is_kept(threads: Threads, kept: list[Call]) -> None:
    call = Call(lambda: True)
    threads.put(call)
    assert wait_until(lambda: kept == [call])
    assert not call.closed.is_set()


@pytest.mark.parametrize("error", [RuntimeError("bug"), ConnectionResetError("gone"), SystemExit(1)])
def test_what_a_request_raises_ends_its_connection_only(threads: Threads, error: BaseException) -> None:
    def fail() -> None:
        raise error

    for _ in range(10):
        call = Call(fail)
        threads.put(call)
        assert call.closed.wait(5)
    meet(threads, 6)


def test_a_connection_that_cannot_be_kept_is_closed() -> None:
    def refuse(_: object) -> None:
        raise ValueError("the selector is closed")

    threads = Threads(refuse, least=1, most=1)
    for _ in range(2):
        call = Call(lambda: True)
        threads.put(call)
        assert call.closed.wait(5)
    assert threads.stop(1)


def test_stopping_answers_what_has_come(threads: Threads) -> None:
    calls = [Call(lambda: False) for _ in range(40)]
    for call in calls:
        threads.put(call)
    assert threads.stop(5)
    assert all(call.closed.is_set() for call in calls)
