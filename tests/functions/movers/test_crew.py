"""A crew does all that it is given, at most so much at a time, and stops at the first failure."""

from __future__ import annotations

import threading

import pytest

from functions.errors import Permanent
from functions.movers.crew import Crew


def test_all_work_is_done_once() -> None:
    done: list[int] = []
    with Crew(4, done.append, lambda: None) as crew:
        for work in range(1000):
            crew.give(work)
        crew.drain()
        assert sorted(done) == list(range(1000))
    assert len(crew.threads) <= 4


def test_a_single_piece_needs_no_thread() -> None:
    places: list[str] = []
    with Crew(4, lambda work: places.append(threading.current_thread().name), lambda: None) as crew:
        crew.give(1)
        crew.drain()
    assert places == [threading.current_thread().name]
    assert crew.threads == []


def test_work_is_done_beside_other_work() -> None:
    barrier = threading.Barrier(3, timeout=10)
    with Crew(3, lambda work: barrier.wait() and None, lambda: None) as crew:
        for work in range(3):
            crew.give(work)
        crew.drain()
    assert crew.failure is None


def test_the_queue_is_short() -> None:
    gate = threading.Event()
    given: list[int] = []
    with Crew(2, lambda work: gate.wait(10) and None, lambda: None) as crew:

        def give() -> None:
            for work in range(100):
                crew.give(work)
                given.append(work)

        giver = threading.Thread(target=give, daemon=True)
        giver.start()
        giver.join(0.3)
        assert len(given) <= 6, "two in hand and four in the queue"
        gate.set()
        giver.join(10)
        crew.drain()
    assert len(given) == 100


def test_the_first_failure_stops_the_others_and_is_raised() -> None:
    stopped = threading.Event()

    def do(work: int) -> None:
        if work == 3:
            raise Permanent("The third is bad.")
        if work > 3:
            stopped.wait(10)

    with pytest.raises(Permanent, match="third"), Crew(4, do, stopped.set) as crew:
        for work in range(1000):
            crew.give(work)
        crew.drain()
    assert stopped.is_set()


def test_what_follows_from_a_failure_does_not_hide_it() -> None:
    def do(work: int) -> None:
        raise Permanent("The cause.")

    with pytest.raises(Permanent, match="The cause"), Crew(1, do, lambda: None) as crew:
        crew.give(1)
        crew.give(2)
        while crew.failure is None:
            threading.Event().wait(0.001)
        raise RuntimeError("only follows")
