"""Whatever is lost, doubled, late or crashed, a job ends once, as its result says, and nothing is left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from functions.jobs import Sight
from functions.objects_directory import DirectoryStore
from functions.records import Listing
from functions.stage.pods import Reception
from tests.integration import pods
from tests.integration.pods import Cluster
from tests.integration.walks import Violation, Walk
from tests.scale import count

WALKS = count(full=500, ci=100, fast=15)


def walk(path: Path, seed: int, *, workers: int, faults: int) -> Walk:
    """One walk from its begin to its end; fails with its story."""
    one = Walk(DirectoryStore(path), seed, workers=workers, faults=faults)
    try:
        one.walk(60)
        one.finish()
    except Violation as violation:
        story = "\n".join(f"{n}. {line}" for n, line in enumerate(one.trace, 1))
        raise Violation(f"seed {seed}: {violation}\n{story}") from violation
    return one


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("faults", [0, 2, 4])
def test_a_random_walk_breaks_no_rule_and_the_sweep_alone_ends_it(workers: int, faults: int, tmp_path: Path) -> None:
    ends = Counter(walk(tmp_path / str(n), n, workers=workers, faults=faults).row for n in range(WALKS))
    print(f"{WALKS} walks of {workers} workers with {faults} faults: {dict(ends)}")
    assert ends["finished"] > 0


def start_without_a_claim(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reception, "claim", lambda self, caller, asked: {"start": True})


def start_although_decided(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("functions.stage.pods.check_undecided", lambda store, caller: None)
    patch.setattr("functions.pods.check_current", lambda listing, attempt: None)


def keep_the_last_job(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Cluster, "delete", lambda self, job, attempt=None: delete_all(self, job, attempt))


def delete_all(cluster: Cluster, job: str, attempt: int | None) -> None:
    if attempt is None:
        cluster_delete(cluster, job, attempt)


def take_a_pod_not_made_for_lost(patch: pytest.MonkeyPatch) -> None:
    seen = pods.sight
    patch.setattr(pods, "sight", lambda pod: Sight() if pod.phase == pods.QUEUED else seen(pod))


def give_up_a_dispatched_job(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listing, "started", lambda self, attempt: self.has(f"{attempt}/dispatched"))


def reap_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("gateway.sweep.Sweep.reap", lambda self: 0)


cluster_delete = Cluster.delete
MUTANTS = (
    start_without_a_claim,
    start_although_decided,
    keep_the_last_job,
    take_a_pod_not_made_for_lost,
    give_up_a_dispatched_job,
    reap_nothing,
)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_protocol_with_one_rule_broken_is_caught(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So the walks can fail: each of these is wrong, and is found out. Other rules have scenes of their own, in
    tests/functions/test_handlers.py: what walks meet too seldom."""
    mutant(monkeypatch)
    for seed in range(600):
        try:
            walk(tmp_path / str(seed), seed, workers=1 + seed % 2, faults=seed % 4)
        except Violation:
            return
    pytest.fail("the walks did not notice")
