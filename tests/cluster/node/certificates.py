"""The keys of a cluster: one authority, a certificate for each program, and kubeconfigs."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.cluster.node.places import ADDRESS, API_SERVICE, DOMAIN, NODE, Places

LIFE = datetime.timedelta(days=30)
SERVER = f"https://{ADDRESS}:6443"
API_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{DOMAIN}")

# file name: (common name, organisation) of each client
CLIENTS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "apiserver-kubelet": ("apiserver-kubelet", "system:masters"),
    "front-proxy": ("front-proxy", ""),
}
KUBECONFIGS = ("admin", "controller-manager", "scheduler", "proxy", "kubelet")


@dataclass(frozen=True)
class Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def write_all(at: Places) -> None:
    """Every key, certificate and kubeconfig of a new cluster, below `pki` (readable by the owner only)."""
    at.pki.mkdir(mode=0o700)
    authority = new_authority()
    _write(at.pki / "ca.crt", _certificate_text(authority.certificate))
    addresses = (ADDRESS, "127.0.0.1", API_SERVICE)
    _issue(at, authority, "apiserver", "kube-apiserver", names=API_NAMES, addresses=addresses)
    _issue(at, authority, "kubelet-server", NODE, names=(NODE,), addresses=(ADDRESS,))
    for file, (name, organisation) in CLIENTS.items():
        _issue(at, authority, file, name, organisation=organisation)
    for file in KUBECONFIGS:
        _write(at.pki / f"{file}.kubeconfig", _kubeconfig(at, file))
    _write(at.kubeconfig, _kubeconfig(at, "admin"))
    key = ec.generate_private_key(ec.SECP256R1())
    _write(at.pki / "sa.key", _key_text(key))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(at.pki / "sa.pub", public)


def new_authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("chrysalis-test-cluster")
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()))


def _issue(
    at: Places,
    authority: Authority,
    file: str,
    name: str,
    *,
    organisation: str = "",
    names: Sequence[str] = (),
    addresses: Sequence[str] = (),
) -> None:
    """A server's certificate if it has names, else a client's."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(name, organisation), authority.certificate.subject, key)
    if names:
        alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    usage = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    _write(at.pki / f"{file}.crt", _certificate_text(certificate))
    _write(at.pki / f"{file}.key", _key_text(key))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFE)
    )


def _name(common: str, organisation: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organisation:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(attributes)


def _kubeconfig(at: Places, file: str) -> bytes:
    """JSON, which is YAML. Keys lie inside, so that a copy works anywhere in the node's network."""
    cluster = {"server": SERVER, "certificate-authority-data": _embedded(at.pki / "ca.crt")}
    user = {
        "client-certificate-data": _embedded(at.pki / f"{file}.crt"),
        "client-key-data": _embedded(at.pki / f"{file}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "chrysalis", "cluster": cluster}],
        "users": [{"name": file, "user": user}],
        "contexts": [{"name": "chrysalis", "context": {"cluster": "chrysalis", "user": file}}],
        "current-context": "chrysalis",
    }
    return json.dumps(config, indent=1).encode()


def _embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _certificate_text(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, text: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(text)
