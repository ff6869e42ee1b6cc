"""Whatever happens between a mover and the endpoints, a job starts once and commits once."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from functions.movers import stage_in, stage_out
from tests.faults import LOST, RESET, FaultProxy
from tests.functions.movers.world import UID, World


def through(world: World, proxy: FaultProxy) -> dict[str, str]:
    place = f"{proxy.endpoint}/{world.url.rpartition('/')[2]}/pods"
    urls = {"CHRYSALIS_STAGE_URL": f"{place}/stage", "CHRYSALIS_PUBLISH_URL": f"{place}/publish"}
    return world.environ(**urls, CHRYSALIS_LINKS="1", CHRYSALIS_SCRATCH=str(world.folder / "scratch"))


def clear(world: World, job: str) -> None:
    """A pod's folders for another job."""
    world.job, world.folder = job, world.folder.parent / job
    for name in ("incoming", "outgoing", "scratch"):
        (world.folder / name).mkdir(parents=True)


def test_many_jobs_survive_endpoints_that_fail_at_random(world: World, scale: Callable[[int, int, int], int]) -> None:
    jobs = scale(500, 100, 15)
    with FaultProxy(world.url, seed=11, share=0.3) as proxy:
        for number in range(jobs):
            clear(world, f"many-{number}")
            world.freeze([world.put(f"{number}/{name}", os.urandom(10)) for name in "abc"])
            world.write("out", str(number).encode())
            assert stage_in.main(through(world, proxy)) == 0
            assert stage_out.main(through(world, proxy)) == 0
            assert world.records.read(world.job, "1/started/0")["uid"] == UID
            assert world.body("out") == str(number).encode()
        print(f"{jobs} jobs, {proxy.requests} requests, faults: {dict(proxy.faults)}")
    assert len(proxy.faults) == 5, "every kind of fault has come"


@pytest.mark.parametrize("kind", [LOST, RESET])
@pytest.mark.parametrize("path", ["/started", "/uploads", "/outputs"])
def test_an_answer_that_is_lost_changes_nothing(world: World, path: str, kind: str) -> None:
    world.freeze([world.put("a", b"x")])
    world.write("out", b"y")
    with FaultProxy(world.url, kinds=[kind], share=1.0) as proxy:
        proxy.only = lambda method, asked: asked.endswith(path) and not proxy.faults[kind]
        assert stage_in.main(through(world, proxy)) == 0
        assert stage_out.main(through(world, proxy)) == 0
        assert proxy.faults[kind] == 1
    assert world.body("out") == b"y"


def test_endpoints_that_stay_away_are_a_temporary_fault(world: World) -> None:
    world.freeze([])
    with FaultProxy(world.url) as proxy:
        proxy.down = True
        assert stage_in.main({**through(world, proxy), "CHRYSALIS_PATIENCE": "1"}) == 75
        assert stage_out.main({**through(world, proxy), "CHRYSALIS_PATIENCE": "1"}) == 75
        assert proxy.requests < 20
    assert world.committed() is None
