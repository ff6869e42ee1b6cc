"""Where a node keeps things, and the few addresses that everything agrees on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NODE = "node"  # its name in Kubernetes
ADDRESS = "10.10.0.1"
NODE_NETWORK = "10.10.0.1/24"
POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
CGROUP = "chrysalis-cluster"  # parent of every pod's cgroup, in each hierarchy
DOMAIN = "cluster.local"


def _folder(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default)


@dataclass(frozen=True)
class Places:
    """`home`: data of the running node, gone after `down`. `cache`: built programs, images and logs, kept."""

    home: Path
    cache: Path

    @property
    def logs(self) -> Path:
        return self.cache / "logs"

    @property
    def pki(self) -> Path:
        return self.home / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.home / "admin.kubeconfig"

    @property
    def socket(self) -> Path:
        """Where the node's first process takes orders."""
        return self.home / "init.sock"

    @property
    def record(self) -> Path:
        """Process id of the node's first process, and when it started."""
        return self.home / "init.json"

    @property
    def containerd(self) -> Path:
        return self.home / "containerd.sock"

    @property
    def lock(self) -> Path:
        """Beside `home`, which comes and goes."""
        return self.home.with_name(self.home.name + ".lock")


def places() -> Places:
    """One node at a time on a machine, so `home` is fixed; CHRYSALIS_CLUSTER_CACHE names another `cache`."""
    cache = _folder("XDG_CACHE_HOME", Path.home() / ".cache") / "chrysalis-cluster"
    return Places(
        home=Path("/var/tmp/chrysalis-cluster"),
        cache=_folder("CHRYSALIS_CLUSTER_CACHE", cache),
    )
