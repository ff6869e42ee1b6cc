"""What a cluster has beside Kubernetes itself."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.node import eventing, kueue, serving
from tests.cluster.node.places import Places
from tests.cluster.node.steps import Steps

INSTALLERS: dict[str, Callable[[Places, Steps], None]] = {
    "serving": serving.install,
    "eventing": eventing.install,
    "kueue": kueue.install,
}
ALL = tuple(INSTALLERS)


def install(at: Places, steps: Steps, chosen: tuple[str, ...] = ALL) -> None:
    """Install these, in this order."""
    for name in chosen:
        INSTALLERS[name](at, steps)
