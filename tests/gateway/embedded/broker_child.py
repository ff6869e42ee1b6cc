"""A process with a broker, for test_broker_killed.py to kill: `python -m ... FOLDER FIRST COUNT`.

It publishes COUNT messages from several threads and writes the number of each to `accepted` after publish has returned;
its subscriber writes each number to `delivered` before it answers. It prints "idle" when nothing is left.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from gateway.embedded.answers import Answer
from gateway.embedded.broker import Backoff, Broker, Subscriber

THREADS = 4


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(folder: Path, first: int, count: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    accepted, delivered = (os.open(folder / name, flags) for name in ("accepted", "delivered"))

    def deliver(headers: dict[str, str], _: bytes) -> Answer:
        number = int(headers["ce-id"])
        os.write(delivered, b"%d\n" % number)
        if headers["ce-type"] == "second":
            return Answer(503 if os.urandom(1)[0] < 64 else 204)
        event = {"ce-specversion": "1.0", "ce-id": str(-number), "ce-source": "/child", "ce-type": "second"}
        return Answer(200, event) if number % 2 else Answer(204)

    broker = Broker(folder / "broker.db", backoff=Backoff(first=0.001, longest=0.01, retries=50))
    broker.start([Subscriber("keeper", frozenset({"first", "second"}), deliver)])
    say("started")

    def publish(offset: int) -> None:
        for number in range(first + offset, first + count, THREADS):
            headers = {"ce-specversion": "1.0", "ce-id": str(number), "ce-source": "/child", "ce-type": "first"}
            broker.publish(headers, b"x" * 500)
            os.write(accepted, b"%d\n" % number)

    threads = [threading.Thread(target=publish, args=(offset,)) for offset in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    broker.wait_idle()
    say("idle")
    broker.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
