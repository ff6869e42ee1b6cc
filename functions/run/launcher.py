"""The Launcher port: the few things that `run` asks of whatever runs pods.

A Kubernetes launcher stands behind it on a cluster, a process launcher on one machine. Errors are Permanent or
Temporary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from functions.jobs import JobPlan, Sight


class Launcher(Protocol):
    def create(self, plan: JobPlan) -> None:
        """Start one attempt: `limits.workers` pods. If it is there already, nothing happens (409 means done)."""

    def look(self, job: str, attempt: int) -> tuple[Sight, ...] | None:
        """What is seen of an attempt, one Sight per index; None: there is no such Job.

        A pod that has not been made yet is alive: it is waiting, not lost.
        """

    def delete(self, job: str, attempt: int | None = None) -> None:
        """End and remove one attempt, or all of them: every process is gone within seconds. Safe to repeat."""

    def log(self, job: str, attempt: int, index: int) -> bytes:
        """What the plugin has printed so far, stdout and stderr as they came; empty if nothing is known."""

    def jobs(self) -> Iterable[tuple[str, int]]:
        """The (job, attempt) of every Job that is there, ended or not: the sweep removes those that are decided."""
