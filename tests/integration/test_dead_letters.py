"""An event that nobody can act on is kept, shown with the reason, and delivered again when somebody says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from functions.payloads import JobTerminated
from functions.records import Records, terminated_name
from functions.settings import Settings
from gateway.embedded.wiring import Machine
from tests.integration.machine import running, wait_until

JOB = "7-abc"


def run(machine: Machine, *arguments: str) -> str:
    """What a command of a user prints."""
    environment = os.environ | {"CHRYSALIS_HOME": str(machine.settings.home)}
    command = [sys.executable, "-m", "gateway.cli.main", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dead_letter_is_listed_with_its_reason_and_replayed(tmp_path: Path) -> None:
    with running(Settings(tmp_path / "home")) as machine:
        damaged = f".chrysalis/jobs/{JOB}/{terminated_name(1)}"
        machine.store.put(damaged, b"not json\n")
        machine.emitter("run").emit(JobTerminated(JOB, 1, verdict="failed"))
        assert wait_until(lambda: len(machine.broker.dead_letters()) == 1)

        listed = run(machine, "dead-letters", "list")
        assert "io.chrysalis.job.terminated.v1" in listed
        assert "damaged" in listed
        assert "422" in listed

        machine.store.delete(damaged)
        Records(machine.store).create(JOB, terminated_name(1), {"verdict": "failed", "reason": "error", "sentence": ""})
        assert "1 sent again" in run(machine, "dead-letters", "replay")
        assert wait_until(lambda: Records(machine.store).list(JOB).result)
        assert run(machine, "dead-letters", "list") == ""
