"""Handlers that run in threads and pause before every call to the outside, so that a test chooses who goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tests.functions.world import Crash


class Actor:
    """One run of a handler in its own thread; it pauses before each call to the outside."""

    current = threading.local()

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self.name, self.act = name, act
        self.go, self.paused = threading.Semaphore(0), threading.Semaphore(0)
        self.dying = self.done = False
        self.fault: BaseException | None = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.paused.acquire()

    def run(self) -> None:
        Actor.current.actor = self
        try:
            self.act()
        except Crash:
            self.fault = None
        except BaseException as error:  # noqa: BLE001 - it is raised again in the walk's own thread
            self.fault = error
        self.done = True
        self.paused.release()

    def pause(self) -> None:
        self.paused.release()
        self.go.acquire()
        if self.dying:
            raise Crash

    def step(self) -> None:
        self.go.release()
        self.paused.acquire()
        if self.fault:
            raise self.fault

    def kill(self) -> None:
        self.dying = True
        self.step()


class Pausing:
    """A part of the outside before whose calls an actor pauses."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.part, name)
        return self.wrap(member) if callable(member) else member

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.wrap(self.part)(*args, **kwargs)

    def wrap(self, call: Any) -> Any:
        def paused(*args: Any, **kwargs: Any) -> Any:
            if actor := getattr(Actor.current, "actor", None):
                actor.pause()
            return call(*args, **kwargs)

        return paused


def answer() -> None:
    """The way of an answer to a pod is a step of its own."""
    if actor := getattr(Actor.current, "actor", None):
        actor.pause()
