"""What the broker of one machine carries: `python bench/broker.py`. The subscriber is empty; the disk is a real one.

Rates are messages accepted, delivered and forgotten per second; times run from before `publish` to the delivery.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway.embedded.answers import Answer
from gateway.embedded.broker import Broker, Subscriber

HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/bench", "ce-type": "tick"}


class Run:
    """One broker, some publishers, at a given rate each second or as fast as they can (0)."""

    def __init__(self, publishers: int, messages: int, rate: float) -> None:
        self.publishers, self.messages, self.rate = publishers, messages, rate
        self.times: list[float] = []

    def deliver(self, _: dict[str, str], body: bytes) -> Answer:
        self.times.append(time.perf_counter() - float(body))
        return Answer(204)

    def publish(self, broker: Broker) -> None:
        due = time.perf_counter()
        for _ in range(self.messages // self.publishers):
            if self.rate:
                due += self.publishers / self.rate
                time.sleep(max(0.0, due - time.perf_counter()))
            broker.publish(HEADERS, repr(time.perf_counter()).encode())

    def measure(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            broker = Broker(Path(folder) / "broker.db")
            broker.start([Subscriber("empty", frozenset({"tick"}), self.deliver)])
            began = time.perf_counter()
            threads = [threading.Thread(target=self.publish, args=(broker,)) for _ in range(self.publishers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            broker.wait_idle()
            seconds = time.perf_counter() - began
            broker.close()
        median, late = (sorted(self.times)[int(len(self.times) * part)] * 1000 for part in (0.5, 0.99))
        return f"{len(self.times) / seconds:9.0f} {median:9.2f} {late:9.2f}"


def main() -> None:
    print("publishers  asked/s     carried   p50 ms   p99 ms")
    for publishers, messages, rate in [(1, 8000, 0), (4, 8000, 0), (4, 8000, 2000), (1, 1000, 200)]:
        print(f"{publishers:10} {rate or 'all':>8} {Run(publishers, messages, rate).measure():>30}")


if __name__ == "__main__":
    main()
