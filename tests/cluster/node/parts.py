"""What a cluster has beside Kubernetes itself."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.node import builds, eventing, kueue, serving
from tests.cluster.node.places import Places
from tests.cluster.node.steps import Steps

Step = Callable[[Places, Steps], None]
PARTS: dict[str, tuple[builds.Module, Step, Step]] = {
    "serving": (builds.SERVING, serving.install, serving.settle),
    "eventing": (builds.EVENTING, eventing.install, eventing.settle),
    "kueue": (builds.KUEUE, kueue.install, kueue.settle),
}
ALL = tuple(PARTS)


def install(at: Places, steps: Steps, chosen: tuple[str, ...] = ALL) -> None:
    """All are applied before the first is waited for: their programs start side by side."""
    for name in chosen:
        PARTS[name][1](at, steps)
    for name in chosen:
        PARTS[name][2](at, steps)


def modules(chosen: tuple[str, ...]) -> list[builds.Module]:
    """Whose programs these need as images."""
    return [PARTS[name][0] for name in chosen]
