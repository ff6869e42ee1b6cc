"""The first process of a node (PID 1 of its namespace): starts daemons by order, reaps, and takes all with it.

Orders and answers are one JSON line each over a unix socket:
    {"start": name, "argv": [...], "env": {...}, "log": path}  -> {"pid": n}     a name that runs is an error
    {"signal": number, "name": name}                           -> {"sent": bool}
    {"list": true}                                             -> {"daemons": {name: {"pid", "code": null or exit}}}
    {"run": argv, "env": {...}}                                -> {"code", "output"}   a short program, waited for
Run inside fresh namespaces by `namespace.py`; only the standard library, and no import from the rest of the package.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

Order = dict[str, Any]


class Init:
    """Daemons by name. One lock, since `start` and the reaper race about a child that ends at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pids: dict[str, int] = {}
        self._codes: dict[int, int] = {}
        self._ended = threading.Condition(self._lock)

    def reap(self) -> None:
        """Collect children and orphans for ever; this is what PID 1 is for."""
        while True:
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                with self._ended:
                    self._ended.wait(0.2)
                continue
            with self._ended:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid:
                    self._codes[pid] = os.waitstatus_to_exitcode(status)
                    self._ended.notify_all()

    def obey(self, order: Order) -> Order:
        if "start" in order:
            return self._start(order)
        if "signal" in order:
            return self._signal(order)
        if "run" in order:
            return self._run(order)
        with self._lock:
            return {"daemons": {name: self._state(pid) for name, pid in self._pids.items()}}

    def _state(self, pid: int) -> Order:
        return {"pid": pid, "code": self._codes.get(pid)}

    def _start(self, order: Order) -> Order:
        name = order["start"]
        with self._ended, open(order["log"], "ab") as log:
            if name in self._pids and self._pids[name] not in self._codes:
                return {"error": f"{name} runs already"}
            self._pids[name] = spawn(order["argv"], order.get("env", {}), log.fileno())
            self._ended.notify_all()
            return {"pid": self._pids[name]}

    def _signal(self, order: Order) -> Order:
        with self._lock:
            pid = self._pids.get(order["name"])
            if pid is None or pid in self._codes:
                return {"sent": False}
            os.kill(pid, order["signal"])
            return {"sent": True}

    def _run(self, order: Order) -> Order:
        read, write = os.pipe()
        with self._ended:
            pid = spawn(order["run"], order.get("env", {}), write)
            os.close(write)
            self._ended.notify_all()
        with open(read, "rb") as stream:
            output = stream.read().decode(errors="replace")
        with self._ended:
            self._ended.wait_for(lambda: pid in self._codes)
            return {"code": self._codes[pid], "output": output}


def spawn(argv: list[str], env: dict[str, str], output: int) -> int:
    """A child in a session of its own, both outputs to `output`. Call it under the lock, or the reaper takes a failed
    exec's status before Popen has seen it."""
    child = subprocess.Popen(
        argv,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    child.returncode = 0  # the reaper keeps the real one
    return child.pid


def answer(init: Init, connection: socket.socket) -> None:
    with connection, connection.makefile("rw") as stream:
        try:
            reply = init.obey(json.loads(stream.readline()))
        except (OSError, ValueError, KeyError) as error:
            reply = {"error": str(error)}
        stream.write(json.dumps(reply) + "\n")


def main(path: str) -> None:
    init = Init()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the kernel ends everything else of the namespace
    Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        threading.Thread(target=init.reap, daemon=True).start()
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(init, connection), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
