"""The sweep clock of one machine: what a PingSource does on a cluster, and only while there is work (design 3.9).

`arm` before the commit of anything that starts work; while armed, the sweep runs every minute. It lies down again by

    version = clock.idle_version()      # None: somebody armed so lately that his transaction may still be open
    ... look for work, and if there is none ...
    clock.disarm(version)               # does nothing if somebody has armed since

The order matters: the version is taken before the look, so that whatever was armed by then can be seen by it. The job
protocol's model finds what goes wrong otherwise (its mutants DISARM_BLINDLY and DISARM_EARLY).

A file says "armed". It is written and flushed when the clock goes from disarmed to armed, so arming an armed clock
costs nothing; it outlives a kill -9 and a power cut. Every hour there is a heartbeat, armed or not, for what is left.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from functions.errors import Temporary

log = logging.getLogger(__name__)

PERIOD = 60.0
HEARTBEAT = 3600.0
LONGEST_TRANSACTION = 60.0
"""Seconds between an `arm` and the commit that it was for; longer transactions must not exist."""


class SweepClock:
    """Calls `sweep` while armed, every `period` seconds, and `heartbeat` (`sweep` if None) every hour.

    All times are in seconds; `now` is a monotonic clock. One thread, asleep until the next call is due.
    """

    def __init__(
        self,
        path: Path,
        sweep: Callable[[], object],
        *,
        heartbeat: Callable[[], object] | None = None,
        period: float = PERIOD,
        heartbeat_period: float = HEARTBEAT,
        longest_transaction: float = LONGEST_TRANSACTION,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self.period, self.heartbeat_period = path, period, heartbeat_period
        self.longest_transaction = longest_transaction
        self._sweep, self._heartbeat, self._now = sweep, heartbeat or sweep, now
        self._changed = threading.Condition()
        self._sweeping = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._armed = path.exists()
        self._version, self._armed_at = read_version(path), now()
        self._looked: int | None = None
        self._swept: float | None = None
        self._due = now() if self._armed else None
        self._beat = now() + heartbeat_period

    # arming

    @property
    def armed(self) -> bool:
        with self._changed:
            return self._armed

    def arm(self) -> int:
        """Have the sweep run until it finds nothing to do; returns the version of this arming.

        Durable before it returns. Raises Temporary if that cannot be: then start no work.
        """
        with self._changed:
            version = self._version + 1
            if not self._armed:
                write_durably(self.path, version)
                self._armed, self._due = True, self._now() + self.period
                self._changed.notify_all()
            self._version, self._armed_at = version, self._now()
            return version

    def idle_version(self) -> int | None:
        """The version to disarm if a look from now on finds no work; None: the last arming is too young to tell."""
        with self._changed:
            old = self._now() - self._armed_at > self.longest_transaction
            self._looked = self._version if old else None
            return self._looked

    def disarm(self, version: int | None) -> bool:
        """Let the sweep rest, unless somebody has armed since `idle_version` gave this version."""
        with self._changed:
            if version is None or not self._armed or not version == self._version == self._looked:
                return False
            try:
                self.path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("The sweep stays armed: %s", error, extra={"action": "sweep.unlink_failed"})
                return False
            self._armed, self._due = False, None
            return True

    # ticking

    def tick(self) -> bool:
        """Sweep now; False (and nothing is done) if a sweep runs or began less than half a period ago.

        Anyone may call this: it carries nothing. What the sweep raises is logged, and the next one tries again.
        """
        if not self._sweeping.acquire(blocking=False):
            return False
        try:
            with self._changed:
                now = self._now()
                if self._swept is not None and now - self._swept < self.period / 2:
                    return False
                self._swept = now
                self._due = now + self.period if self._armed else None
            run(self._sweep, "sweep")
            return True
        finally:
            self._sweeping.release()

    def step(self) -> float:
        """Do what is due now; returns the seconds until something is due next. The thread does only this."""
        with self._changed:
            now = self._now()
            sweep_due = self._due is not None and self._due <= now
            beat_due = self._beat <= now
            if sweep_due:
                self._due = now + self.period
            if beat_due:
                self._beat = now + self.heartbeat_period
        if sweep_due:
            self.tick()
        if beat_due:
            run(self._heartbeat, "heartbeat")
        with self._changed:
            return self._rest()

    def _rest(self) -> float:
        due = self._beat if self._due is None else min(self._due, self._beat)
        return max(0.0, due - self._now())

    # life

    def start(self) -> None:
        """Begin to keep time; if the file says armed, with a sweep at once."""
        self._thread = threading.Thread(target=self._keep_time, name="sweep-clock", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> bool:
        """Stop keeping time; False if a sweep still ran after `timeout` seconds. The file stays as it is."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _keep_time(self) -> None:
        while True:
            self.step()
            with self._changed:
                if self._stopped:
                    return
                rest = self._rest()
                if rest > 0:
                    self._changed.wait(rest)
                if self._stopped:
                    return


def run(call: Callable[[], object], name: str) -> None:
    try:
        call()
    except Exception as error:
        log.exception("The %s failed and will be tried again: %s", name, error, extra={"action": f"{name}.failed"})


def read_version(path: Path) -> int:
    """The version in the file; 0 if there is none or it was cut short (that it exists is what counts)."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads(path.read_bytes())["version"])
    return 0


def write_durably(path: Path, version: int) -> None:
    """Raises Temporary."""
    try:
        with path.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(json.dumps({"version": version}).encode())
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Temporary(f"The sweep cannot be armed, so no work is taken: {error}. Look at the disk.") from error
