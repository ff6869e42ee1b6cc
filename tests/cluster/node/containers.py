"""containerd: its settings, images in, and the last sandboxes out."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cluster.node import daemons, namespace
from tests.cluster.node.images import PAUSE
from tests.cluster.node.places import POD_NETWORK, Places
from tests.cluster.node.steps import wait_for

CNI_PROGRAMS = ("/usr/lib/cni", "/opt/cni/bin")

SETTINGS = """\
version = 2
root = "{home}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/opt"
[grpc]
  address = "{home}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  # Where a process may not lower its own OOM score, every sandbox fails without this.
  restrict_oom_score_adj = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{programs}"
    conf_dir = "{home}/cni"
"""


def start(at: Places) -> None:
    programs = next(path for path in CNI_PROGRAMS if Path(path).exists())
    settings = at.home / "containerd.toml"
    settings.write_text(SETTINGS.format(home=at.home, pause=PAUSE, programs=programs))
    _write_network(at)
    daemons.start(at, "containerd", ["containerd", "--config", settings])

    def answers() -> bool:
        daemons.require(at, "containerd")
        return "Server" in namespace.run(at, *ctr(at, "version"), check=False)

    wait_for("answer of containerd", answers, seconds=30)


def _write_network(at: Places) -> None:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni",
            "ranges": [[{"subnet": POD_NETWORK}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
    folder = at.home / "cni"
    folder.mkdir(exist_ok=True)
    text = json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": plugins})
    (folder / "10-pods.conflist").write_text(text)


def ctr(at: Places, *words: str) -> list[str]:
    return ["ctr", "--address", str(at.containerd), "--namespace", "k8s.io", *words]


def import_image(at: Places, archive: Path) -> None:
    """Every image of an OCI archive, under the names that it carries."""
    namespace.run(at, *ctr(at, "images", "import", "--snapshotter", "overlayfs", str(archive)))


def image_names(at: Places) -> list[str]:
    return namespace.run(at, *ctr(at, "images", "ls", "-q")).split()
