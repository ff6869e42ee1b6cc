"""Daemons of a running node by name: start, stop, kill, and what they say."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.node import namespace
from tests.cluster.node.places import Places
from tests.cluster.node.steps import ClusterError, wait_for


def log_path(at: Places, name: str) -> Path:
    return at.logs / f"{name}.log"


def start(at: Places, name: str, argv: Sequence[object], env: Mapping[str, str] | None = None) -> None:
    """Start it; both its outputs are added to its log."""
    words = [str(word) for word in argv]
    namespace.order(at, {"start": name, "argv": words, "env": dict(env or {}), "log": str(log_path(at, name))})


def states(at: Places) -> dict[str, dict[str, Any]]:
    """Name to {"pid", "code"}; code is None while it runs."""
    daemons: dict[str, dict[str, Any]] = namespace.order(at, {"list": True})["daemons"]
    return daemons


def running(at: Places, name: str) -> bool:
    return name in (now := states(at)) and now[name]["code"] is None


def stop(at: Places, name: str, *, seconds: float = 10) -> None:
    """TERM, and KILL after `seconds`. Nothing happens if it does not run."""
    if namespace.order(at, {"signal": int(signal.SIGTERM), "name": name})["sent"]:
        try:
            wait_for(f"end of {name}", lambda: not running(at, name), seconds=seconds, every=0.05)
        except ClusterError:
            kill(at, name)


def kill(at: Places, name: str) -> None:
    """KILL, and wait until it is gone."""
    namespace.order(at, {"signal": int(signal.SIGKILL), "name": name})
    wait_for(f"end of {name}", lambda: not running(at, name), seconds=10, every=0.02)


def require(at: Places, name: str) -> None:
    """Raises ClusterError with the end of its log if it has ended."""
    if not running(at, name):
        tail = log_path(at, name).read_text(errors="replace")[-1500:]
        raise ClusterError(f"{name} ended; the end of its log:\n{tail}")
