"""The threads that answer requests: made when they are needed, gone when they are not, asleep in between.

A long answer (a download, an event stream) holds one thread. So the pool grows while all are busy, up to a limit, and
shrinks again to the few that it keeps.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

log = logging.getLogger(__name__)


class Connection(Protocol):
    """What the pool asks of cheroot's HTTPConnection."""

    socket: Any

    def communicate(self) -> bool: ...
    def close(self) -> None: ...


class Threads:
    """Cheroot's port of a thread pool (`start`, `put`, `stop`): `least` threads are kept, never more than `most`.

    `keep` takes a connection back that stays open; a thread beyond `least` ends after `linger` idle seconds.
    """

    def __init__(self, keep: Callable[[Connection], None], *, least: int, most: int, linger: float = 20.0) -> None:
        self.min, self.most, self.linger, self._keep = least, max(least, most), linger, keep
        self._changed = threading.Condition()
        self._queue: deque[Connection] = deque()
        self._threads: set[threading.Thread] = set()
        self._busy: set[Connection] = set()
        self._idle = 0
        self._stopped = False

    def start(self) -> None:
        """Threads start when there is something to do."""

    def put(self, connection: Connection) -> None:
        """Have the next request of a connection answered."""
        with self._changed:
            self._queue.append(connection)
            if self._idle >= len(self._queue):
                self._changed.notify()
            elif len(self._threads) < self.most:
                thread = threading.Thread(target=self._serve, name="http", daemon=True)
                self._threads.add(thread)
                thread.start()

    def stop(self, timeout: float) -> bool:
        """Answer what has come, then end. After `timeout` seconds connections are cut; False if a thread still ran."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._join(timeout):
            return True
        with self._changed:
            for connection in self._busy:
                with suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_RDWR)
        return self._join(1.0)

    def count(self) -> int:
        """How many threads there are."""
        with self._changed:
            return len(self._threads)

    def _join(self, timeout: float) -> bool:
        until = time.monotonic() + timeout
        with self._changed:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return self.count() == 0

    def _serve(self) -> None:
        while (connection := self._take()) is not None:
            self._answer(connection)

    def _take(self) -> Connection | None:
        with self._changed:
            while not self._queue:
                if self._stopped or (not self._wait() and not self._queue and self._is_spare()):
                    self._threads.discard(threading.current_thread())
                    return None
            connection = self._queue.popleft()
            self._busy.add(connection)
            return connection

    def _wait(self) -> bool:
        """False if a thread beyond those kept has waited its time. The lock is held."""
        self._idle += 1
        try:
            return self._changed.wait(self.linger if self._is_spare() else None)
        finally:
            self._idle -= 1

    def _is_spare(self) -> bool:
        return len(self._threads) > self.min

    def _answer(self, connection: Connection) -> None:
        keep = False
        try:
            keep = connection.communicate()
        except OSError as error:
            log.info("A client broke off (%s).", type(error).__name__, extra={"action": "http.broken_off"})
        except (Exception, SystemExit):
            log.exception("A request ended in an error.", extra={"action": "http.failed"})
        finally:
            with self._changed:
                self._busy.discard(connection)
            self._put_back(connection, keep)

    def _put_back(self, connection: Connection, keep: bool) -> None:
        try:
            if keep:
                self._keep(connection)
                return
        except (OSError, ValueError, KeyError):  # the server has just closed its selector, or the client its socket
            log.debug("A connection could not be kept.", exc_info=True)
        with suppress(OSError):
            connection.close()
