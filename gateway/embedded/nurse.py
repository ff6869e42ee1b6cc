"""The server's end of the nursery: starts it at need, asks it for pods, and asks again if it has died.

One thread waits for its answers and for the ends of pods (pidfds); it sleeps as long as nothing happens.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from functions.errors import Temporary
from gateway.embedded.nursery import MESSAGE
from gateway.embedded.processes import Identity, identify

log = logging.getLogger(__name__)
SOURCES = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
        "http_proxy", "https_proxy", "no_proxy")  # fmt: skip
"""What a nursery, and so a mover, has of the server's environment: no credential is among it."""


class Nurse:
    """Begins pods and tells when they end. `on_end` is called in the nurse's thread with a run directory."""

    def __init__(self, modules: Sequence[str], *, log_file: Path, idle: float, on_end: Callable[[Path], None]) -> None:
        self.modules, self.log_file, self.idle, self.on_end = modules, log_file, idle, on_end
        self.lock = threading.RLock()
        self.answered = threading.Condition(self.lock)
        self.asked: dict[Path, None] = {}  # in order: begun as they were asked for
        self.watched: dict[Path, int] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.socket: socket.socket | None = None
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        with self.lock:
            if self.thread is None:
                self.selector = selectors.DefaultSelector()
                self.waker, self.wake = os.pipe()
                self.selector.register(self.waker, selectors.EVENT_READ, "wake")
                self.thread = threading.Thread(target=self._attend, name="nurse", daemon=True)
                self.thread.start()

    def stop(self) -> None:
        """Let go: the nursery ends, its pods live on. It may be started again."""
        if self.thread is None:
            return
        os.write(self.wake, b"x")
        self.thread.join()
        with self.lock:
            self.thread = None
            self._drop()
            for descriptor in (*self.watched.values(), self.waker, self.wake):
                os.close(descriptor)
            self.watched.clear()
            self.asked.clear()
            self.selector.close()

    def begin(self, run: Path) -> None:
        """Have a pod forked for a run directory, unless it is asked for or watched already. Raises Temporary."""
        with self.lock:
            self.start()
            if run not in self.asked and run not in self.watched:
                self.asked[run] = None
                self._ask([run])

    def watch(self, run: Path, identity: Identity) -> bool:
        """Tell when this pod ends; False if it has ended already."""
        with self.lock:
            if run in self.watched:
                return True
            self.start()
            try:
                descriptor = os.pidfd_open(identity.pid)
            except OSError:
                return False
            if not identity.alive:  # asked after the pidfd was taken: from here on the number is nobody else's
                os.close(descriptor)
                return False
            self._register(run, descriptor)
            return True

    def settle(self, run: Path, seconds: float) -> None:
        """Wait until no begin of this run directory is under way."""
        with self.answered:
            self.answered.wait_for(lambda: run not in self.asked, seconds)

    def _register(self, run: Path, descriptor: int) -> None:
        self.watched[run] = descriptor
        self.selector.register(descriptor, selectors.EVENT_READ, run)

    def _ask(self, runs: Sequence[Path]) -> None:
        """Send what is to be begun; a nursery that is not there (any more) is started first."""
        for _ in range(3):
            if self.socket is None:
                self._hire()
            assert self.socket is not None
            try:
                for run in runs:
                    self.socket.sendall(str(run).encode())
            except OSError:
                self._drop()
                runs = list(self.asked)
            else:
                return
        raise Temporary(f"The process that starts plugins does not stay alive; {self.log_file} may tell why.")

    def _hire(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, "-m", "gateway.embedded.nursery", str(theirs.fileno()), str(self.idle), *self.modules]
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with theirs, open(self.log_file, "ab") as printed:
            try:
                self.process = subprocess.Popen(
                    words, pass_fds=[theirs.fileno()], env=nursery_environment(os.environ), cwd="/",
                    stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                ours.close()
                raise Temporary(f"The process that starts plugins cannot be started: {error}.") from error
        self.socket = ours
        self.selector.register(ours, selectors.EVENT_READ, "nursery")

    def _drop(self) -> None:
        """Forget a nursery that has gone, or make it go: at the end of its socket it leaves."""
        if self.socket is not None:
            self.selector.unregister(self.socket)
            self.socket.close()
            self.socket = None
        if self.process is not None:
            self.process.wait()
            self.process = None

    def _attend(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.data == "wake":
                    os.read(self.waker, 1)
                    return
                if key.data == "nursery":
                    self._hear()
                else:
                    self._bury(key.data)

    def _hear(self) -> None:
        """An answer of the nursery: the pid of a pod. Its end of file: ask a new one for what is still to be begun."""
        with self.lock:
            if self.socket is None:
                return
            try:
                message = self.socket.recv(MESSAGE)
            except OSError:
                message = b""
            if message:
                self._born(json.loads(message))
                return
            self._drop()
            try:
                self._ask(list(self.asked)) if self.asked else None
            except Temporary as error:
                log.error("%s", error, extra={"action": "nursery.failed"})
                self.asked.clear()
                self.answered.notify_all()

    def _born(self, answer: Mapping[str, object]) -> None:
        run, pid = Path(str(answer["run"])), int(str(answer["pid"]))
        identity = identify(pid)
        watched = identity is not None and self.watch(run, identity)
        self.asked.pop(run, None)
        self.answered.notify_all()
        if not watched:
            self._tell(run)

    def _bury(self, run: Path) -> None:
        with self.lock:
            descriptor = self.watched.pop(run, None)
            if descriptor is None:
                return
            self.selector.unregister(descriptor)
            os.close(descriptor)
        self._tell(run)

    def _tell(self, run: Path) -> None:
        try:
            self.on_end(run)
        except Exception:  # whatever a listener does, the next pod's end must be heard
            log.exception("A pod's end could not be reported.", extra={"action": "pod.report.failed"})


def nursery_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Pure: the environment of a nursery. It finds our sources wherever the server has found them."""
    kept = {name: environ[name] for name in KEPT if name in environ}
    paths = [str(SOURCES), *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
