"""A few threads that take work from a short queue: memory stays flat however much work there is."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

Work = TypeVar("Work")


class Crew(Generic[Work]):
    """Does work in up to `size` threads; the first failure ends all and is raised where work is handed in.

    The threads begin with the second piece of work at a time: a single piece is done by the caller, at `drain`.
    """

    def __init__(self, size: int, do: Callable[[Work], None], stop: Callable[[], None]) -> None:
        self.size, self.do, self.stop = size, do, stop
        self.queue: queue.Queue[Work | None] = queue.Queue(size * 2)
        self.threads: list[threading.Thread] = []
        self.failure: BaseException | None = None

    def __enter__(self) -> Crew[Work]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.fail(error)
        for _ in self.threads:
            self.queue.put(None)
        for thread in self.threads:
            thread.join()
        if error is not None and self.failure is not error:
            self.raise_failure()  # the error only follows from it

    def give(self, work: Work) -> None:
        """Hand in a piece of work; waits while the queue is full. Raises the first failure of any piece before."""
        if len(self.threads) < self.size and not self.queue.empty():
            self.threads.append(threading.Thread(target=self.toil, daemon=True))
            self.threads[-1].start()
        self.raise_failure()
        self.queue.put(work)

    def drain(self) -> None:
        """Wait until all that was handed in is done, helping with it. Raises the first failure."""
        while True:
            try:
                work = self.queue.get_nowait()
            except queue.Empty:
                break
            self.handle(work)
        self.queue.join()
        self.raise_failure()

    def toil(self) -> None:
        while (work := self.queue.get()) is not None:
            self.handle(work)
        self.queue.task_done()

    def handle(self, work: Work | None) -> None:
        try:
            if self.failure is None and work is not None:
                self.do(work)
        except BaseException as error:  # noqa: BLE001 - told to the caller, who decides
            self.fail(error)
        finally:
            self.queue.task_done()

    def fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error
            self.stop()

    def raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure
