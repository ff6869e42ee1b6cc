"""The outbox relay: what a transaction wants told is told after its commit, once at least (design 3.9).

A row of the outbox becomes a `request` record and its event, or the event that asks for a cancel; then it is forgotten.
Killed in between, the row is there still and all of it is repeated, which is safe. It runs outside of any request, with
a cap in flight, and sleeps while there is nothing to do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from functions.errors import Failure
from functions.events import Emitter
from functions.payloads import CancelRequested, JobRequested
from functions.records import REQUEST, Records, parse_header
from gateway.catalog.outbox import CANCEL, Letter

log = logging.getLogger(__name__)

BATCH = 32
IN_FLIGHT = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before the next try when the store or the broker does not take what it is given."""


class Outbox(Protocol):
    """What the relay asks of the catalog."""

    def take(self, limit: int) -> Sequence[Letter]:
        """The oldest letters, which stay in the outbox."""

    def forget(self, letters: Sequence[Letter]) -> None:
        """Remove letters that were sent; no error if they are gone."""


class Relay:
    """Empties the outbox when woken, in a thread of its own."""

    def __init__(self, outbox: Outbox, records: Records, emitter: Emitter) -> None:
        self.outbox, self.records, self.emitter = outbox, records, emitter
        self._woken, self._closed = threading.Event(), False
        self._turn = threading.Lock()
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="relay-send")
        self._thread = threading.Thread(target=self._live, name="relay", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.wake()

    def wake(self) -> None:
        """There may be something to send. Returns at once."""
        self._woken.set()

    def close(self) -> None:
        self._closed = True
        self._woken.set()
        self._thread.join(timeout=10)
        self._pool.shutdown(wait=True)

    def drain(self) -> bool:
        """Send all there is; False if something could not be sent. One at a time: a second caller waits."""
        with self._turn:
            while letters := self.outbox.take(BATCH):
                sent = self._send_all(letters)
                self.outbox.forget(sent)
                if len(sent) < len(letters):
                    return False
                if len(letters) < BATCH:
                    return True
        return True

    def _live(self) -> None:
        pause = FIRST_PAUSE
        while self._woken.wait() and not self._closed:
            self._woken.clear()
            if self._drain_safely():
                pause = FIRST_PAUSE
                continue
            self._woken.wait(pause)
            self._woken.set()
            pause = min(2 * pause, LONGEST_PAUSE)

    def _drain_safely(self) -> bool:
        try:
            return self.drain()
        except Failure as error:
            log.warning("the outbox cannot be read: %s", error, extra={"action": "relay.failed"})
            return False
        except Exception:  # a fault of ours must not end the relay
            log.exception("the relay met a fault of ours", extra={"action": "relay.failed"})
            return False

    def _send_all(self, letters: Sequence[Letter]) -> list[Letter]:
        if len(letters) == 1:
            return [letter for letter in letters if self._try_send(letter)]
        return [letter for letter, sent in zip(letters, self._pool.map(self._try_send, letters), strict=True) if sent]

    def _try_send(self, letter: Letter) -> bool:
        try:
            self.send(letter)
        except Failure as error:
            log.warning("%s of %s: %s", letter.kind, letter.job, error, extra={"action": "relay.failed"})
            return False
        return True

    def send(self, letter: Letter) -> None:
        """The record first, then the event that points at it."""
        if letter.kind == CANCEL:
            self.emitter.emit(CancelRequested(letter.job))
            return
        header = parse_header(self.records.create_lines(letter.job, REQUEST, letter.body))
        self.emitter.emit(JobRequested(letter.job), feed=str(header.get("feed", "")), trace=header.get("trace", ""))
