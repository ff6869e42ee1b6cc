"""A cluster whose pods a test moves, as in the executable model of the job protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from functions.jobs import End, JobPlan, Sight

QUEUED, PENDING, STUCK, RUNNING, UPLOADING, OVER = "queued", "pending", "stuck", "running", "uploading", "over"
LIVE, LOST, GONE = "live", "lost", "gone"


@dataclass
class Pod:
    job: str
    attempt: int
    index: int
    uid: str
    late: bool
    phase: str = QUEUED
    end: End | None = None
    reported: bool = False
    view: str = LIVE
    asking: bool = False
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.view != GONE and self.phase != OVER


@dataclass
class Cluster:
    """A launcher as in the model: deletion forgets pods at once, their nodes only later."""

    decided: Callable[[str, int], bool]
    there: dict[tuple[str, int], int] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    uids: int = 0

    def create(self, plan: JobPlan) -> None:
        if (plan.job, plan.attempt) not in self.there:
            self.there[plan.job, plan.attempt] = plan.request.limits.workers
            for index in range(plan.request.limits.workers):
                self.add(plan.job, plan.attempt, index)

    def add(self, job: str, attempt: int, index: int) -> None:
        self.uids += 1
        self.pods.append(Pod(job, attempt, index, f"u{self.uids}", self.decided(job, attempt)))

    def look(self, job: str, attempt: int) -> tuple[Sight, ...] | None:
        workers = self.there.get((job, attempt))
        if workers is None:
            return None
        shown = {pod.index: sight(pod) for pod in self.of(job, attempt) if pod.view != GONE}
        return tuple(shown.get(index, Sight()) for index in range(workers))

    def of(self, job: str, attempt: int) -> list[Pod]:
        return [pod for pod in self.pods if (pod.job, pod.attempt) == (job, attempt)]

    def delete(self, job: str, attempt: int | None = None) -> None:
        for at in [at for at in self.there if at[0] == job and attempt in (None, at[1])]:
            del self.there[at]
            for pod in self.of(*at):
                if pod.phase in (PENDING, RUNNING, UPLOADING):
                    pod.view, pod.reported = GONE, False
                else:
                    self.pods.remove(pod)

    def log(self, job: str, attempt: int, index: int) -> bytes:
        return b""

    def jobs(self) -> Iterable[tuple[str, int]]:
        return list(self.there)

    def stop(self, pod: Pod) -> None:
        """Every container of a pod has ended; the API still shows it if it had something to show."""
        if pod not in self.pods:
            return
        reported = pod.reported or (pod.view == LIVE and pod.end is not None)
        if pod.view == GONE or (pod.view == LOST and not reported):
            self.pods.remove(pod)
        else:
            pod.phase, pod.view, pod.reported = OVER, LIVE, reported


def sight(pod: Pod) -> Sight:
    if pod.phase == STUCK:
        return Sight(False, End("stuck", reason="stuck", sentence="No node."))
    if pod.phase == QUEUED:
        return Sight(True)
    return Sight(pod.view == LIVE and pod.phase != OVER, pod.end if pod.reported else None)
