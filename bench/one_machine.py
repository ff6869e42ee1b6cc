"""The budgets of one machine, measured: `make bench`. A table against ChRIS's figures, on standard output.

A server in a fresh home is started as a user starts it. The trivial plugin copies a file of 1 KB by `cp`; pl-copy of
the folder plugins does the same in Python with chris_plugin, whose import alone is nearly half of a job's processor
time: both are told. Times are the client's: from before the request that submits to the answer that says finished.
ChRIS's figures are those of CUBE with its defaults, measured on a machine of the same size.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.cli import credentials
from gateway.cli.client import Client

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.integration.machine import add_plugin  # noqa: E402 - the checkout's, which is not installed

FINAL = {"finishedSuccessfully", "finishedWithError", "cancelled"}
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(home: Path) -> Iterator[tuple[Client, int]]:
    """A server in a fresh home; its client and its process id."""
    environment = os.environ | {"CHRYSALIS_HOME": str(home)}
    command = [sys.executable, "-c", "from gateway.cli.main import main; main()", "serve", "--port", "0"]
    with (home.parent / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield connect(home, server), server.pid
    finally:
        server.terminate()
        server.wait(20)


def connect(home: Path, server: subprocess.Popen[bytes]) -> Client:
    for _ in range(1200):
        known = credentials.read(home / credentials.FILE)
        if known:
            return Client(known)
        if server.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"The server did not start; see {home.parent / 'server.log'}")


def prepare(client: Client, folder: Path) -> tuple[int, int]:
    """A feed with one file of 1 KB, and the plugin that copies it; their ids (of the instance, of the plugin)."""
    file = folder / "one.txt"
    file.write_bytes(b"x" * 1024)
    environment = os.environ | {"CHRYSALIS_HOME": str(folder / "home")}
    call = [sys.executable, "-c", "from gateway.cli.main import main; main()"]
    subprocess.run([*call, "upload", str(file), "--to", "home/admin/uploads/bench"], env=environment, check=True)
    plugin = client.post("plugins/install/", {"source": str(ROOT / "plugins/pl-copy")})
    copy = next(iter(client.pages("plugins/search/", name_exact="pl-dircopy")))
    feed = client.post(f"plugins/{copy['id']}/instances/", {"dir": "home/admin/uploads/bench"})
    wait(client, [feed["id"]])
    return feed["id"], plugin["id"]


def submit(client: Client, plugin: int, previous: int) -> int:
    return int(client.post(f"plugins/{plugin}/instances/", {"previous_id": previous})["id"])


def wait(client: Client, ids: list[int], pause: float = 0.005) -> None:
    """Until all are final, asked one after the other; every one must have finished well."""
    for one in ids:
        while (status := client.get(f"plugins/instances/{one}/")["status"]) not in FINAL:
            time.sleep(pause)
        if status != "finishedSuccessfully":
            sys.exit(f"instance {one} is {status}")


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def one(client: Client, plugin: int, feed: int) -> None:
    wait(client, [submit(client, plugin, feed)])


def many(client: Client, plugin: int, feed: int, count: int) -> list[int]:
    """Looked at ten times a second by one small request, so that looking is not what is measured."""
    before = finished(client, plugin)
    ids = [submit(client, plugin, feed) for _ in range(count)]
    until = time.monotonic() + 300
    while finished(client, plugin) < before + count and time.monotonic() < until:
        time.sleep(0.1)
    return ids


def finished(client: Client, plugin: int) -> int:
    """How many instances of a plugin have finished well."""
    found = client.get("plugins/instances/search/", plugin_id=plugin, status="finishedSuccessfully", limit=1)
    return int(found["count"])


def own_seconds(client: Client, ids: list[int]) -> float:
    """Seconds of CPU that the plugins themselves used: Python starts, chris_plugin is imported, a file is copied."""
    return sum(client.get(f"plugins/instances/{one}/timeline/")["usage"]["cpu_seconds"] for one in ids)


def chain(client: Client, plugin: int, feed: int, count: int) -> None:
    ids = [feed]
    for _ in range(count):
        ids.append(submit(client, plugin, ids[-1]))
    wait(client, ids[1:])


def measure_idle(pid: int, seconds: float) -> tuple[float, float]:
    """Memory in MB (of shared pages the part that is its own) and percent of a core, of the server and its children."""
    before, begun = processor_ticks(pid), time.monotonic()
    time.sleep(seconds)
    spent = (processor_ticks(pid) - before) / TICKS / (time.monotonic() - begun)
    return sum(memory(process) for process in family(pid)), 100 * spent


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for process in found:
        for thread in Path(f"/proc/{process}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def processor_ticks(pid: int) -> int:
    fields = [Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split() for process in family(pid)]
    return sum(int(values[11]) + int(values[12]) for values in fields)


def memory(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) / 1024


def report(rows: list[tuple[str, str, str, str, str]]) -> None:
    heads = ("what", "measured", "budget", "of budget", "ChRIS")
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(5)]
    for row in [heads, *rows]:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def row(what: str, value: float, unit: str, budget: float, chris: str) -> tuple[str, str, str, str, str]:
    return what, f"{value:.3g} {unit}", f"{budget:g} {unit}", f"{value / budget:.2f}", chris


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="single runs; the median counts")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of idling")
    parser.add_argument("--json", action="store_true", help="the figures alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        add_plugin(Path(folder) / "home", Path(folder), "pl-cp", 'cp -r "$1/." "$2"\n')
        with serving(Path(folder) / "home") as (client, pid):
            figures = measure(client, pid, Path(folder), options)
    if options.json:
        print(json.dumps(figures))
        return
    cores = os.cpu_count() or 1
    report(
        [
            row("trivial plugin, submit to finished", figures["single"], "s", 0.25, "7.2 s"),
            row("100 of them at once", figures["hundred"], "s", 5, "48-63 s"),
            row("chain of 10 of them", figures["chain"], "s", 2, "106 s"),
            row("pl-copy (Python), submit to finished", figures["python"], "s", 0.25, "7.2 s"),
            row("100 of them at once", figures["python_hundred"], "s", 5, "48-63 s"),
            row("chain of 10 of them", figures["python_chain"], "s", 2, "106 s"),
            row("idle, memory", figures["memory"], "MB", 120, "1.9 GiB, 29 processes"),
            row("idle, processor", figures["processor"], "% of a core", 0.3, "3 %"),
        ]
    )
    had = cores * figures["python_hundred"]
    print(f"\nOf the {had:.1f} s that {cores} cores had for 100 pl-copy, these themselves used {figures['own']:.1f} s.")


def measure(client: Client, pid: int, folder: Path, options: Any) -> dict[str, float]:
    feed, python = prepare(client, folder)
    shell = int(next(iter(client.pages("plugins/search/", name_exact="pl-cp")))["id"])
    figures = dict(zip(("single", "hundred", "chain"), measure_jobs(client, shell, feed, options.repeats), strict=True))
    names = ("python", "python_hundred", "python_chain")
    figures |= dict(zip(names, measure_jobs(client, python, feed, options.repeats), strict=True))
    figures["own"] = own_seconds(client, many(client, python, feed, 100))
    time.sleep(65)  # what the last jobs have left goes to sleep: fork server after a minute
    figures["memory"], figures["processor"] = measure_idle(pid, options.idle)
    return figures


def measure_jobs(client: Client, plugin: int, feed: int, repeats: int) -> tuple[float, float, float]:
    """Seconds of one job, of a hundred at once, of a chain of ten: medians."""
    one(client, plugin, feed)
    return (
        statistics.median(timed(lambda: one(client, plugin, feed)) for _ in range(repeats)),
        statistics.median(timed(lambda: many(client, plugin, feed, 100)) for _ in range(3)),
        statistics.median(timed(lambda: chain(client, plugin, feed, 10)) for _ in range(3)),
    )


if __name__ == "__main__":
    main()
