"""The nursery: a small process that forks pods, so that a pod costs a fork and not the start of an interpreter.

It has one thread and has imported only what pods need. It is asked over a socket whose other end the server holds: a
message is a run directory, the answer its pod's pid. It ends when the server has gone, or when nothing was asked for a
while; its pods live on, and the server starts another one at need.

    python -m gateway.embedded.nursery SOCKET SECONDS MODULE...
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from gateway.embedded import pod

MESSAGE = 1 << 16


def main(arguments: Sequence[str]) -> None:
    server = socket.socket(fileno=int(arguments[0]))
    idle = float(arguments[1])
    for module in arguments[2:]:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries our pods
    gc.disable()  # a pod's own work is too short for it, and a collection would copy all of our memory
    gc.freeze()
    while select.select([server], [], [], idle)[0]:
        message = server.recv(MESSAGE)
        if not message:
            return
        run = Path(message.decode())
        server.sendall(json.dumps({"run": str(run), "pid": fork(run, server)}).encode())


def fork(run: Path, server: socket.socket) -> int:
    """Fork the pod of a run directory; answers its pid. In the child this never returns."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        server.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        pod.main(run)
    except FileNotFoundError:
        pass  # the run directory was deleted meanwhile: nothing is to be done
    except BaseException:  # noqa: BLE001 - nothing may get out of this child, which shares its stack with the nursery
        traceback.print_exc()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
