"""Web servers for one machine, side by side: `python bench/web_server.py`; waitress and granian if they are installed.

A trivial Flask application and 16 connections that ask again as soon as they are answered. Memory is the whole tree's.
"Woken" is how often the kernel let its threads run while nothing happened.
"""

from __future__ import annotations

import importlib.util
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONNECTIONS, SECONDS, IDLE_SECONDS = 16, 5.0, 10.0
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
APPLICATION = """
import flask
app = flask.Flask("bench")
@app.get("/")
def hello(): return "hello"
"""
PROGRAMS = {
    "ours": """
import threading
from gateway.embedded.server import Server
Server(port=PORT).start({"": app})
threading.Event().wait()
""",
    "cheroot": """
from cheroot.wsgi import Server
Server(("127.0.0.1", PORT), app).start()
""",
    "waitress": """
import waitress
waitress.serve(app, host="127.0.0.1", port=PORT, threads=8)
""",
    "granian": """
from granian import Granian
Granian("web_server_app:app", port=PORT, interface="wsgi", log_enabled=False).serve()
""",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def begin(name: str, port: int, folder: Path) -> subprocess.Popen[bytes]:
    (folder / "web_server_app.py").write_text(APPLICATION)
    program = f"from web_server_app import app\n{PROGRAMS[name].replace('PORT', str(port))}"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=quiet, stderr=quiet)
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{name} does not answer.")


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def total(pid: int, pattern: str, key: str) -> int:
    """The sum of a line of status files, over all processes and what `pattern` finds in each."""
    files = [path for each in family(pid) for path in Path(f"/proc/{each}").glob(pattern)]
    lines = [line for path in files for line in path.read_text().splitlines() if line.startswith(key)]
    return sum(int(line.split()[1]) for line in lines)


def load(port: int) -> int:
    """How many answers come within SECONDS."""
    selector, answers = selectors.DefaultSelector(), 0

    def connect() -> None:
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(REQUEST)
        selector.register(connection, selectors.EVENT_READ)

    for _ in range(CONNECTIONS):
        connect()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for key, _ in selector.select(1):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if not (heard := connection.recv(65536)):
                selector.unregister(connection)
                connection.close()
                connect()
            elif heard.endswith(b"hello"):
                answers += 1
                connection.sendall(REQUEST)
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return answers


def measure(name: str, folder: Path) -> str:
    port = free_port()
    server = begin(name, port, folder)
    try:
        rate = load(port) / SECONDS
        time.sleep(2)
        before = total(server.pid, "task/*/status", "voluntary_ctxt")
        time.sleep(IDLE_SECONDS)
        woken = (total(server.pid, "task/*/status", "voluntary_ctxt") - before) / IDLE_SECONDS
        memory = total(server.pid, "status", "VmRSS") / 1024
        return f"{name:10} {rate:10.0f} {len(family(server.pid)):10} {memory:10.0f} {woken:12.1f}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def main() -> None:
    print("server      requests/s  processes     MB RSS  woken/s idle")
    for name in PROGRAMS:
        if name == "ours" or importlib.util.find_spec(name):
            with tempfile.TemporaryDirectory() as folder:
                print(measure(name, Path(folder)))


if __name__ == "__main__":
    main()
