"""What is run again when a job is retried: rules on values, and all of it on a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import retry
from tests.gateway.cli.conftest import Shell

FAILED, DONE, CANCELLED = "finishedWithError", "finishedSuccessfully", "cancelled"


def instance(number: int, previous: int | None, status: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "previous_id": previous, "status": status, "plugin_type": "ds", **more}


def test_descendants_that_ended_with_it_come_too_parents_first() -> None:
    found = [instance(7, 5, CANCELLED), instance(5, 3, CANCELLED), instance(3, 1, FAILED), instance(6, 3, FAILED)]
    assert [one["id"] for one in retry.order(found, 3)] == [3, 5, 6, 7]


def test_what_finished_or_still_runs_is_left_alone() -> None:
    """A ts job may hang below a failed one and have finished nevertheless; what is below it has an input."""
    found = [instance(3, 1, FAILED), instance(5, 3, DONE), instance(6, 5, FAILED), instance(8, 3, "waiting")]
    assert [one["id"] for one in retry.order(found, 3)] == [3]


def test_the_new_request_is_the_old_one_on_new_parents() -> None:
    old = instance(5, 3, FAILED, title="mine", memory_limit=300, cpu_limit=None, gpu_limit=0)
    given = [{"param_name": "pattern", "value": "*.dcm"}, {"param_name": "plugininstances", "value": "3,4"}]
    body = retry.request(old, given, {3: 10})
    expected = {"title": "mine", "memory_limit": 300, "gpu_limit": 0, "previous_id": 10, "pattern": "*.dcm"}
    assert body == expected | {"plugininstances": "3,4"}


def test_a_join_names_the_new_jobs() -> None:
    old = instance(5, 3, FAILED, plugin_type="ts")
    assert (
        retry.request(old, [{"param_name": "plugininstances", "value": "3, 4"}], {3: 10})["plugininstances"] == "10,4"
    )


@pytest.mark.slow
def test_a_failed_job_and_its_followers_run_again_on_what_finished(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("x")
    failed = shell("run", "pl-obedient", tmp_path / "in", "--title", "first", "--", "--code", "3").stdout.strip()
    follower = shell("run", "pl-copy", "--previous", failed).stdout.strip()
    assert shell("watch", follower).returncode == 1
    again = shell("retry", failed, "--json")
    assert again.returncode == 0, again.stderr
    made = json.loads(again.stdout)["result"]["again"]
    assert set(made) == {failed, follower}
    ended = shell("watch", made[failed], "--json")
    assert ended.returncode == 1
    told = json.loads(ended.stdout)
    assert told["result"]["title"] == "first"
    assert "I end with 3" in told["error"]
    before = json.loads(shell("watch", failed, "--json").stdout)["result"]
    assert told["result"]["previous_id"] == before["previous_id"]
    refused = shell("retry", follower)
    assert refused.returncode == 4
    assert f"chrysalis retry {failed}" in refused.stderr
