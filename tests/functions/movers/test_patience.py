"""How long and how often is insisted."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.errors import Permanent, Temporary
from functions.movers.patience import DOWN, LONGEST_DELAY, Abandoned, Passing, Patience, pause_for


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, seconds: float = 100) -> Patience:
        return Patience(seconds, clock=lambda: self.now, chance=lambda: 1.0, sleep=self.sleep)


def failing(times: int, result: str = "done") -> Callable[[], str]:
    left = [times]

    def attempt() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise Passing("The store is busy.")
        return result

    return attempt


def test_what_passes_is_tried_again_and_waits_longer_each_time() -> None:
    time = Time()
    assert time.patience().insist(failing(5)) == "done"
    assert time.slept == [0.1, 0.2, 0.4, 0.8, 1.6]


def test_patience_ends_with_the_reason() -> None:
    time = Time()
    with pytest.raises(Temporary, match=r"The store is busy. \(Tried for 100 seconds.\)"):
        time.patience().insist(failing(10**6))
    assert 100 <= time.now < 100 + LONGEST_DELAY * 2


def test_progress_renews_the_patience() -> None:
    time, reached = Time(), [0]

    def attempt() -> str:
        reached[0] += 1
        if reached[0] < 1000:
            raise Passing("The connection broke.")
        return "done"

    assert time.patience(1).insist(attempt, lambda: reached[0]) == "done"
    assert set(time.slept) == {0.1}


def test_what_stays_is_not_tried_again() -> None:
    time = Time()

    def attempt() -> str:
        raise Permanent("No.")

    with pytest.raises(Permanent):
        time.patience().insist(attempt)
    assert time.slept == []


@given(st.integers(1, 100), st.floats(0, 1000), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_long_and_honours_the_wish(failures: int, wish: float, chance: float) -> None:
    pause = pause_for(failures, wish, chance)
    assert min(wish, 60) <= pause <= max(LONGEST_DELAY, 75)
    assert pause > 0


def test_pauses_of_many_movers_are_spread() -> None:
    pauses = [pause_for(5, 0, chance / 100) for chance in range(100)]
    assert max(pauses) > 3 * min(pauses)


def test_a_success_wakes_all_who_wait_for_a_store_that_was_down() -> None:
    patience = Patience(1000, chance=lambda: 1.0)
    patience.troubles = DOWN
    failures = {name: failing(8) for name in "abc"}  # alone, the eighth pause would be over ten seconds
    up = threading.Event()
    woken: list[str] = []

    def insist(name: str) -> None:
        def attempt() -> str:
            return name if up.is_set() else failures[name]()

        woken.append(patience.insist(attempt))

    threads = [threading.Thread(target=insist, args=name, daemon=True) for name in failures]
    for thread in threads:
        thread.start()
    while patience.waiting < len(threads):
        threading.Event().wait(0.001)
    up.set()
    patience.calm()
    for thread in threads:
        thread.join(5)
    assert sorted(woken) == ["a", "b", "c"]


def test_a_stop_ends_all_who_wait() -> None:
    patience = Patience(1000, chance=lambda: 1.0)
    ended = threading.Event()

    def insist() -> None:
        with pytest.raises(Abandoned):
            patience.insist(failing(10**6))
        ended.set()

    threading.Thread(target=insist, daemon=True).start()
    patience.stop()
    assert ended.wait(5)


def test_threads_take_turns_while_the_store_is_down() -> None:
    patience = Patience(1000, chance=lambda: 0.0)
    patience.troubles, patience.waiting = DOWN, 7
    slept: list[float | None] = []
    patience.changed.wait_for = lambda seen, seconds=None: slept.append(seconds) or False  # type: ignore[method-assign,func-returns-value]
    patience.rest(1.0)
    patience.troubles = 0
    patience.rest(1.0)
    assert slept == [8.0, 1.0]
