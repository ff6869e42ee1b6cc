"""Steps of an `up` or `down`: each is told when it begins and how long it took."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TextIO, TypeVar

T = TypeVar("T")


class ClusterError(Exception):
    """It cannot go on: the sentence names the cause and the next step."""


@dataclass
class Steps:
    """Keeps the seconds of each step, and prints them."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        self.out.write(f"{name} ... ")
        self.out.flush()
        try:
            yield
        except BaseException:
            self.out.write(f"failed after {time.monotonic() - begun:.1f} s\n")
            raise
        self.seconds[name] = time.monotonic() - begun
        self.out.write(f"{self.seconds[name]:.1f} s\n")
        self.out.flush()

    def close(self) -> None:
        self.out.write(f"{sum(self.seconds.values()):.1f} s in all\n")
        self.out.flush()


def wait_for(what: str, ask: Callable[[], T | None], *, seconds: float = 60, every: float = 0.1) -> T:
    """Ask until the answer is true. Raises ClusterError with `what` after `seconds`; errors of `ask` are its own."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise ClusterError(f"After {seconds:.0f} s still no {what}; the logs tell more (make cluster-status).")
        time.sleep(every)
