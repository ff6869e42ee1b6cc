"""A job's files go in and come out: the simple case, in one process and in two."""

from __future__ import annotations

import os

import pytest

from functions.movers import stage_in, stage_out
from tests.functions.movers.world import World


@pytest.mark.parametrize("links", ["0", "1"])
def test_one_small_file_goes_in_and_out_with_few_requests(world: World, links: str) -> None:
    world.freeze([world.put("scan.dcm", b"voxels")])
    assert stage_in.main(world.environ(CHRYSALIS_LINKS=links)) == 0
    assert (world.incoming / "scan.dcm").read_bytes() == b"voxels"
    world.write("result.nii", b"brain")
    assert stage_out.main(world.environ(CHRYSALIS_LINKS=links)) == 0
    assert world.body("result.nii") == b"brain"
    world.told.wait_for("outputs.committed")
    assert world.told.kinds() == ["job.started", "job.uploading", "outputs.committed"]
    assert world.requests == [
        "GET /pods/stage/inputs",
        "POST /pods/stage/started",
        "POST /pods/publish/uploads",
        "POST /pods/publish/outputs",
    ]


def test_movers_are_programs(world: World) -> None:
    world.freeze([world.put(f"{number}/scan.dcm", os.urandom(number)) for number in range(50)])
    assert world.run("stage_in") == 0
    for number in range(50):
        assert (world.incoming / str(number) / "scan.dcm").stat().st_size == number
        world.write(f"{number}/out", b"y" * number)
    assert world.run("stage_out") == 0
    assert {path: output.size for path, output in world.outputs().items()} == {f"{n}/out": n for n in range(50)}


def test_a_job_without_files_commits_an_empty_manifest(world: World) -> None:
    world.freeze([])
    assert stage_in.main(world.environ()) == 0
    assert stage_out.main(world.environ()) == 0
    assert world.outputs() == {}
