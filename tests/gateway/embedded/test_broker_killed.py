"""The embedded broker under kill -9: what it has accepted is delivered at least once, by a real process."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.scale import count

PER_ROUND = 3000


def begin(folder: Path, first: int, messages: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.gateway.embedded.broker_child", str(folder), str(first), str(messages)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert child.stdout and child.stdout.readline() == b"started\n"
    return child


def kill(child: subprocess.Popen[bytes]) -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert child.stdout
    child.stdout.close()


def numbers(path: Path) -> Counter[int]:
    """Whole lines only: the last may be cut by the kill."""
    return Counter(int(line) for line in path.read_bytes().split(b"\n")[:-1])


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_no_accepted_message(tmp_path: Path) -> None:
    rounds = count(200, ci=25, fast=6)
    for turn in range(rounds):
        child = begin(tmp_path, 1 + turn * PER_ROUND, PER_ROUND)
        time.sleep(random.uniform(0, 0.4))
        kill(child)
    last = begin(tmp_path, 0, 0)
    assert last.stdout and last.stdout.readline() == b"idle\n"
    kill(last)
    accepted, delivered = numbers(tmp_path / "accepted"), numbers(tmp_path / "delivered")
    assert accepted
    assert accepted.keys() - delivered.keys() == set()
    assert {number for number in delivered if number > 0 and number % 2} == {
        -number for number in delivered if number < 0
    }
    with sqlite3.connect(tmp_path / "broker.db") as database:
        assert database.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    firsts = {number: times for number, times in delivered.items() if number > 0}
    doubled = sum(times > 1 for times in firsts.values())
    print(f"kills {rounds}, accepted {len(accepted)}, lost 0, delivered more than once {doubled}")
    assert doubled <= rounds * 4, "only what was in flight at a kill may come twice"
