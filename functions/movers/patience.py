"""How long to insist, and how often: retries with jittered backoff that do not storm a store in trouble.

Each request waits on its own after a failure, so that a store which fails now and then is used at full speed. When
nothing but failures come back, the store is taken to be down: then the threads of a mover take turns with asking, and
the first that succeeds wakes the others.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from functions.errors import Temporary

Result = TypeVar("Result")
FIRST_DELAY, LONGEST_DELAY, LONGEST_WISH = 0.1, 15.0, 60.0
"""Seconds: the first pause, the longest that we take, the longest that a Retry-After may ask for."""
DOWN = 6
"""So many failures in a row, over all threads: the store is down."""


class Passing(Exception):
    """Something failed that may pass. `after`: the other side wishes so many seconds of quiet."""

    def __init__(self, sentence: str, after: float = 0.0) -> None:
        super().__init__(sentence)
        self.after = after


class Abandoned(Exception):
    """Another thread has failed for good, so this one stops."""


def pause_for(failures: int, wish: float, chance: float) -> float:
    """Seconds to wait after so many failures in a row; `chance` in [0, 1) spreads the callers apart."""
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 20))
    return max(delay * (0.25 + 0.75 * chance), min(wish, LONGEST_WISH) * (1 + 0.25 * chance))


class Patience:
    """`seconds` without any progress are borne; then a passing failure becomes a Temporary one."""

    def __init__(
        self,
        seconds: float = 300.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.seconds, self.clock, self.chance = seconds, clock, chance
        self.sleep = sleep or self.rest
        self.stopped = False
        self.troubles = self.waiting = self.recoveries = 0
        self.changed = threading.Condition()

    def insist(self, attempt: Callable[[], Result], progress: Callable[[], int] = lambda: 0) -> Result:
        """Call until it succeeds. `progress` tells how far it has come: any step forward renews the patience."""
        failures, since, reached = 0, self.clock(), progress()
        while True:
            try:
                return attempt()
            except Passing as passing:
                if progress() != reached:
                    failures, since, reached = 0, self.clock(), progress()
                failures += 1
                self.troubles += 1
                if self.clock() - since >= self.seconds:
                    raise Temporary(f"{passing} (Tried for {self.seconds:.0f} seconds.)") from passing
                self.sleep(pause_for(failures, passing.after, self.chance()))
                if self.stopped:
                    raise Abandoned from passing

    def rest(self, seconds: float) -> None:
        """Sleep; while the store is down, longer the more threads wait, and until one of them has found it up."""
        with self.changed:
            down, recoveries = self.troubles >= DOWN, self.recoveries
            self.waiting += 1
            seconds *= self.waiting if down else 1
            self.changed.wait_for(lambda: self.stopped or (down and self.recoveries != recoveries), seconds)
            self.waiting -= 1

    def calm(self) -> None:
        """The other side has answered as it should."""
        was_down, self.troubles = self.troubles >= DOWN, 0
        if was_down:
            with self.changed:
                self.recoveries += 1
                self.changed.notify_all()

    def stop(self) -> None:
        """Wake and end all who wait."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
