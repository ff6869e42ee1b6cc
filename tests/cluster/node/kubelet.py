"""The kubelet and kube-proxy: what makes the machine a node."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cluster.node import cgroups, daemons
from tests.cluster.node.control_plane import flags
from tests.cluster.node.places import ADDRESS, CGROUP, DOMAIN, NODE, POD_NETWORK, Places


def start(at: Places, programs: Path) -> None:
    cgroups.make()
    (at.home / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(at.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(at.pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(at.pki / "kubelet-server.key"),
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "enforceNodeAllocatable": ["pods"],
        "oomScoreAdj": 0,
        "clusterDNS": [ADDRESS],
        "clusterDomain": DOMAIN,
        "resolvConf": str(at.home / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{at.containerd}",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi"},
        "maxPods": 200,
        "syncFrequency": "10s",  # Kueue waits until the certificate that it made shows in its own volume
        "nodeLeaseDurationSeconds": 12,  # a heartbeat every 3 s, so that a lost one is noticed soon
        "podLogsDir": str(at.logs / "pods"),
        "volumePluginDir": str(at.home / "volume-plugins"),
        "registryPullQPS": 0,
    }
    path = at.home / "kubelet.json"
    path.write_text(json.dumps(settings, indent=1))
    options = {
        "config": path,
        "kubeconfig": at.pki / "kubelet.kubeconfig",
        "hostname-override": NODE,
        "node-ip": ADDRESS,
        "root-dir": at.home / "kubelet",
    }
    daemons.start(at, "kubelet", [programs / "kubelet", *flags(options)])


def start_proxy(at: Places, programs: Path) -> None:
    settings = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(at.pki / "proxy.kubeconfig")},
        "hostnameOverride": NODE,
        "mode": "nftables",
        "clusterCIDR": POD_NETWORK,
        "oomScoreAdj": 0,
        "nodePortAddresses": [f"{ADDRESS}/32"],
        # The kernel's table is the whole machine's: leave it alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    path = at.home / "kube-proxy.json"
    path.write_text(json.dumps(settings, indent=1))
    daemons.start(at, "kube-proxy", [programs / "kube-proxy", f"--config={path}"])
