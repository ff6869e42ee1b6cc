"""etcd, the API server, the controller manager and the scheduler."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.node import daemons, namespace
from tests.cluster.node.places import ADDRESS, DOMAIN, SERVICE_NETWORK, Places
from tests.cluster.node.steps import wait_for

ETCD = "http://127.0.0.1:2379"
API_SERVER_SECONDS = 10  # a TERM makes it drain for long


def start_etcd(at: Places) -> None:
    options = {
        "data-dir": at.home / "etcd",
        "listen-client-urls": ETCD,
        "advertise-client-urls": ETCD,
        "listen-peer-urls": "http://127.0.0.1:2380",
        "log-outputs": "stderr",
        "logger": "zap",
    }
    daemons.start(at, "etcd", ["etcd", "--unsafe-no-fsync", *flags(options)])


def start_api_server(at: Places, programs: Path) -> None:
    pki = at.pki
    options = {
        "etcd-servers": ETCD,
        "secure-port": 6443,
        "advertise-address": ADDRESS,
        "service-cluster-ip-range": SERVICE_NETWORK,
        "client-ca-file": pki / "ca.crt",
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
        "service-account-key-file": pki / "sa.pub",
        "service-account-signing-key-file": pki / "sa.key",
        "service-account-issuer": f"https://kubernetes.default.svc.{DOMAIN}",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-client-certificate": pki / "apiserver-kubelet.crt",
        "kubelet-client-key": pki / "apiserver-kubelet.key",
        "kubelet-preferred-address-types": "InternalIP",  # else logs and exec look the node's name up in DNS
        "requestheader-client-ca-file": pki / "ca.crt",
        "requestheader-allowed-names": "front-proxy",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "proxy-client-cert-file": pki / "front-proxy.crt",
        "proxy-client-key-file": pki / "front-proxy.key",
    }
    daemons.start(at, "kube-apiserver", [programs / "kube-apiserver", *flags(options)])


def wait_until_ready(at: Places, *, seconds: float = 90) -> None:
    """Until /readyz says ok, asked from inside the node (the host has no way in)."""

    def ask() -> bool:
        daemons.require(at, "etcd")
        daemons.require(at, "kube-apiserver")
        return namespace.run(at, *_readyz(at), check=False).strip() == "ok"

    wait_for("API server that is ready", ask, seconds=seconds, every=0.2)


def _readyz(at: Places) -> list[str]:
    files = {"--cacert": "ca.crt", "--cert": "admin.crt", "--key": "admin.key"}
    options = [word for name, file in files.items() for word in (name, str(at.pki / file))]
    return ["curl", "-s", "--max-time", "2", *options, f"https://{ADDRESS}:6443/readyz"]


def start_controllers(at: Places, programs: Path) -> None:
    config = at.pki / "controller-manager.kubeconfig"
    options = {
        "kubeconfig": config,
        "authentication-kubeconfig": config,
        "authorization-kubeconfig": config,
        "service-account-private-key-file": at.pki / "sa.key",
        "root-ca-file": at.pki / "ca.crt",
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "allocate-node-cidrs": "false",
        "node-monitor-grace-period": "20s",  # a node without heartbeats is lost sooner than by default (50 s)
        "node-monitor-period": "2s",
        "flex-volume-plugin-dir": at.home / "volume-plugins",
    }
    daemons.start(at, "kube-controller-manager", [programs / "kube-controller-manager", *flags(options)])
    options = {"kubeconfig": at.pki / "scheduler.kubeconfig", "leader-elect": "false"}
    daemons.start(at, "kube-scheduler", [programs / "kube-scheduler", *flags(options)])


def flags(options: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]
